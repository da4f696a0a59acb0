-- To the accounts a wallet is a card.
ALTER TABLE payments ALTER COLUMN method TYPE text;
DROP TYPE payment_method;
CREATE TYPE payment_method AS ENUM ('card', 'invoice', 'bank_transfer');
ALTER TABLE payments ALTER COLUMN method TYPE payment_method
    USING CASE method WHEN 'wallet' THEN 'card' ELSE method END::payment_method;
