--liquibase formatted sql

--changeset nvoxland:1
create table test1 (
    id int primary key,
    name varchar(255)
);
--rollback drop table test1;

--changeset nvoxland:2
--comment: two rows
insert into test1 (id, name) values (1, 'name 1');
insert into test1 (id, name) values (2, 'name 2');
-- rollback delete from test1
-- rollback where id in (1, 2);

--changeset "Ann Other":"with blanks" dbms:postgresql,h2 runOnChange:true
create or replace function multiply(a int, b int) returns int as $$
  select a * b; -- a body
$$ language sql;
/* liquibase rollback
drop function multiply(int, int);
*/

--changeset other:oracle dbms:oracle
BEGIN NULL; END;

--changeset nvoxland:3 runInTransaction:false
-- schemagate: lock_timeout=0
create index concurrently on test1 (name);
--rollback drop index test1_name_idx;
--changeset nvoxland:4
insert into test1 values (3, 'three');
--rollback not required
