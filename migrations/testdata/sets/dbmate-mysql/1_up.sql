--migrate:up
create table a (id int);
--migrate:down transaction:false
drop table a;
