---- tern: disable-tx ----
create index concurrently t1_idx on t1 (id);
analyze t1;
---- create above / drop below ----
drop index concurrently t1_idx;
analyze t1;
