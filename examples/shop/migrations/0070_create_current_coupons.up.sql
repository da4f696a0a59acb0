CREATE TABLE coupon_changes (
    coupon_code text NOT NULL REFERENCES coupons (code) ON UPDATE CASCADE,
    change      text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW current_coupons AS
SELECT code, percent_off, cents_off, conditions, ends_at
FROM coupons
WHERE starts_at <= now() AND (ends_at IS NULL OR ends_at > now());

-- The shop's back office writes through the view. Nothing is deleted: old orders refer to it.
CREATE RULE current_coupons_insert AS ON INSERT TO current_coupons DO INSTEAD (
    INSERT INTO coupons (code, percent_off, cents_off, conditions, ends_at)
    VALUES (upper(NEW.code), NEW.percent_off, NEW.cents_off, coalesce(NEW.conditions, '{}'), NEW.ends_at);
    INSERT INTO coupon_changes (coupon_code, change) VALUES (upper(NEW.code), 'issued; by hand');
);
CREATE RULE current_coupons_delete AS ON DELETE TO current_coupons DO INSTEAD (
    INSERT INTO coupon_changes (coupon_code, change) VALUES (OLD.code, 'ended; by hand');
    UPDATE coupons SET ends_at = greatest(now(), starts_at + interval '1 second') WHERE code = OLD.code;
);
