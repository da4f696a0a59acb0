-- comment; one
CREATE TABLE [a;b] ("c;""d" text, `e;``f` int DEFAULT (CASE WHEN 1 THEN 2 END)); /* not /* nested; */
CREATE TABLE x (a); CREATE TABLE y (z, "end");
CREATE TRIGGER t AFTER UPDATE ON x WHEN CASE new.a WHEN 1 THEN 2 END BEGIN
  UPDATE y SET z = CASE WHEN new.a THEN 'end;' ELSE 2 END;
  SELECT CASE 1 WHEN 1 THEN 2 END; -- END;
  DELETE FROM y WHERE "end" = 'it''s; \';
END;
create temp trigger if not exists t2 insert on x begin select 1; end; SELECT 'after t2';
INSERT INTO x VALUES ('standard\'); SELECT $a, :b, @c, ?1;
CREATE TABLE "trigger" (begin int, x AS (1)); SELECT x'00', 5--a comment at once
+1;
