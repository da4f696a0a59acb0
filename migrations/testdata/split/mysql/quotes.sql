# a comment; with a semicolon
SELECT 'it''s; \'fine\'', "double ""quoted; \" too", `a ``b; c`; # behind
SELECT 5--1; -- a comment; needs the blank
--
SELECT 1 /* not; /* nested; */, 2; /*!40101 SET NAMES utf8 */;
/*!50003 SELECT 1; */ ; /*! SELECT '*/;' */;
SELECT /*+ NO_INDEX(t) */ 1, \N, $x, 1a$b;
/*M!999999\- enable the sandbox mode */
/*M!100100 SELECT 1 */;
use app; begin work; select begin, end from periods; commit;
