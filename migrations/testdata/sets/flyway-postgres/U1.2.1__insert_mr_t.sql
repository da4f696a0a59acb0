DELETE FROM ${tableName};
