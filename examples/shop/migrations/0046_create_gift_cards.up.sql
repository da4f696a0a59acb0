-- Written on another machine: a byte order mark, and CRLF line ends.
CREATE TABLE gift_cards (
    code          text PRIMARY KEY,
    initial_cents bigint NOT NULL CHECK (initial_cents > 0),
    balance_cents bigint NOT NULL,
    currency      currency_code NOT NULL,
    bought_by     bigint REFERENCES customers (id) ON DELETE SET NULL,
    expires_on    date,
    CONSTRAINT gift_cards_balance_in_range CHECK (balance_cents BETWEEN 0 AND initial_cents)
);

CREATE INDEX gift_cards_unspent_idx ON gift_cards (expires_on) WHERE balance_cents > 0; -- a ; in a comment

COMMENT ON TABLE gift_cards IS 'Geschenkgutscheine; gültig drei Jahre';
