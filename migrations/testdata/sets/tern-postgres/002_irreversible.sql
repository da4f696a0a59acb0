insert into t1 default values;
