
-- liquibase formatted sql logicalFilePath:db/more.sql
-- changeset bob:1 splitStatements:false stripComments:false labels:false
update test1 set name = 'a';
update test1 set name = 'b';
--changeset bob:2 endDelimiter:/ logicalFilePath:db/other.sql ignore:false
select 4 / 2
/
select 5
/
