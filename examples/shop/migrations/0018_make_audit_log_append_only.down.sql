DROP RULE log_no_delete ON audit.log;
DROP RULE log_no_update ON audit.log;
