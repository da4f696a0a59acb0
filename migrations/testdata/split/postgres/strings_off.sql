SET standard_conforming_strings = off;
SELECT 'a\'; b';
SET SESSION standard_conforming_strings TO on;
SELECT 'a\';
COPY t TO stdout;
COPY (SELECT x FROM stdin) TO stdout;
