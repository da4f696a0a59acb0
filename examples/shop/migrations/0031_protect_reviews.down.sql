DROP POLICY reviews_change ON reviews;
DROP POLICY reviews_write ON reviews;
DROP POLICY reviews_read ON reviews;
ALTER TABLE reviews DISABLE ROW LEVEL SECURITY;
DROP FUNCTION current_customer_id();
