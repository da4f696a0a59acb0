--migrate:up transaction:false
ALTER TYPE colors ADD VALUE 'orange' AFTER 'red';
ALTER TYPE colors ADD VALUE 'yellow' AFTER 'orange';
--migrate:down transaction:false
UPDATE things SET color = 'red';
--
