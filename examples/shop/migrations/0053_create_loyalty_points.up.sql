/* Loyalty points: one for each full euro.

   The first try was a column:
   /* ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 0;
      /* and its trigger; */
      UPDATE customers SET points = 0; -- it's no history
   */
   A ledger shows where points came from; the sum is the account.
*/
CREATE TABLE loyalty_entries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    points      integer NOT NULL /* negative: spent; */ CHECK (points <> 0),
    reason      text NOT NULL /* /* free; */ text */ DEFAULT 'order',
    earned_at   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX loyalty_entries_customer_id_idx ON loyalty_entries (customer_id) INCLUDE (points);

/* What was paid before the programme /* not what is still open; */ counts too. */
INSERT INTO loyalty_entries (customer_id, points, reason)
SELECT customer_id, sum(total_cents) / 100, 'welcome'
FROM orders
WHERE status IN ('paid', 'shipped') AND currency = 'EUR'
GROUP BY customer_id
HAVING sum(total_cents) >= 100;
