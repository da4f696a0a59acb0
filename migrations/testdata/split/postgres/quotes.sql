-- a comment; with a semicolon
SELECT 'it''s; fine', "a ""b; c""", E'back\'slash; \\', 'standard\';
select e'continued\''
  -- and a comment
  'still; \' escape', U&'d\0061t;a', B'1', x'1F' /* outer; /* inner; */ still; */ ;
;;
SELECT $$ plain; $$, $tag$ $$ ; $other$ ; $tag$, a$b$c, $1 FROM t$x$ WHERE b$$c = 1;
/*/* tight */*/ SELECT 2; /***/ SELECT 3 /*/**/*/;
SELECT 4 -- the last one has no semicolon; see
-- and a trailing comment
