--
-- PostgreSQL database dump
--

\restrict bXf9

SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

COPY public.t (id, "from", body) FROM stdin;
1	a;b	\N
2	it's	-- no comment
\\.	x	y
\.


-- Data for Name: empty

COPY public.empty FROM STDIN WITH (FORMAT text);
\.

SELECT pg_catalog.setval('public.t_id_seq', 2, true);

\unrestrict bXf9

