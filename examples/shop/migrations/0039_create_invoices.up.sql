CREATE SEQUENCE invoice_number_seq AS bigint START WITH 10001 NO CYCLE;

CREATE FUNCTION next_invoice_number() RETURNS text
LANGUAGE sql VOLATILE
AS 'SELECT ''INV-'' || nextval(''invoice_number_seq'')';

CREATE TABLE invoices (
    number          text PRIMARY KEY DEFAULT next_invoice_number(),
    order_id        bigint NOT NULL,
    order_placed_at timestamptz NOT NULL,
    issued_on       date NOT NULL DEFAULT current_date,
    net_cents       bigint NOT NULL,
    tax_cents       bigint NOT NULL DEFAULT 0,
    gross_cents     bigint GENERATED ALWAYS AS (net_cents + tax_cents) STORED,
    CONSTRAINT invoices_order_id_fkey
        FOREIGN KEY (order_id, order_placed_at) REFERENCES orders (id, placed_at) ON UPDATE CASCADE
);

ALTER SEQUENCE invoice_number_seq OWNED BY invoices.number;
