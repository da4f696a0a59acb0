--liquibase formatted sql
--changeset ann:10 endDelimiter:// rollbackEndDelimiter:\n/
--comment a procedure; with a body
create procedure p()
begin
  select 1;
end//
create procedure q() select 2;
//
--rollback drop procedure p
--rollback /
--rollback drop procedure q
--rollback /
--changeset ann:2 splitStatements:false rollbackSplitStatements:false
create trigger t before insert on x for each row begin set new.a = 1; set new.b = 2; end;
--rollback drop trigger t;
