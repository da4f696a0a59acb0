DROP PROCEDURE expire_carts(bigint);
DROP FUNCTION cart_total_cents(carts);
DROP TABLE carts;
