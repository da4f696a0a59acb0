DROP VIEW current_coupons;
DROP TABLE coupon_changes;
