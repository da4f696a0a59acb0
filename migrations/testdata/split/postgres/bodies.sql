CREATE FUNCTION plus(a int, b int) RETURNS int LANGUAGE sql BEGIN ATOMIC
  SELECT CASE WHEN a > 0 THEN 1 ELSE (CASE b WHEN 2 THEN 3 END) END;
  SELECT x.end, 1 AS end, 2 AS case FROM x;
  SELECT a + b;
END;
CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END; SELECT 'after p';
create function begin() returns int language sql return 1; select 'after begin';
CREATE FUNCTION old() RETURNS trigger AS $body$
BEGIN
  IF new.x THEN RETURN new; END IF;
END;
$body$ LANGUAGE plpgsql;
CREATE RULE r AS ON INSERT TO t DO ALSO (
  INSERT INTO log VALUES (new.id); -- one )
  INSERT INTO log2 VALUES (')');
);
DO $$ BEGIN RAISE NOTICE ';'; END $$;
ALTER TABLE function ADD COLUMN begin int; CREATE TABLE atomic (id int);
