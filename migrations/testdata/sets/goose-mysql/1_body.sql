--+goose Up
--+goose StatementBegin
CREATE FUNCTION my_func(str CHAR(255)) RETURNS CHAR(255) DETERMINISTIC
BEGIN
  RETURN "a; body";
END;
--+goose StatementEnd
SELECT my_func('123') FROM dual;
--+goose Down
DROP FUNCTION my_func;
