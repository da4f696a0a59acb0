-- The app says for whom it works: SET LOCAL shop.customer_id = '42'. Owners of the table, as here, see everything.
CREATE FUNCTION current_customer_id() RETURNS bigint
LANGUAGE sql STABLE
RETURN nullif(current_setting('shop.customer_id', true), '')::bigint;

ALTER TABLE reviews ENABLE ROW LEVEL SECURITY;

CREATE POLICY reviews_read ON reviews FOR SELECT
    USING (status = 'published' OR customer_id = current_customer_id());
CREATE POLICY reviews_write ON reviews FOR INSERT
    WITH CHECK (customer_id = current_customer_id() AND status = 'pending');
CREATE POLICY reviews_change ON reviews FOR UPDATE
    USING (customer_id = current_customer_id())
    WITH CHECK (customer_id = current_customer_id() AND status = 'pending');
