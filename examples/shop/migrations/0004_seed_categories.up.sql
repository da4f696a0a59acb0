-- Children before their parents on purpose: the foreign key is checked at commit.
COPY categories (id, parent_id, slug, name, blurb) FROM stdin;
4	1	pens	Pens & pencils	Write; erase; repeat.
5	1	paper	Paper	A4, A3; "letter" on request
6	2	mugs	Mugs	Don't wash; do rinse -- or so they say
7	2	tea	Tea	Net weight:\t100 g\nKeep dry; keep dark.
8	3	cables	Cables	C:\\cables\\usb; $$ well spent $$
9	3	batteries	Batteries	/* not included; ever
1	\N	stationery	Stationery	\N
2	\N	kitchen	Kitchen	
3	\N	electronics	Electronics	BEGIN; COMMIT; -- a joke of the copy desk
\.

SELECT setval(pg_get_serial_sequence('categories', 'id'), (SELECT max(id) FROM categories));
