CREATE TABLE tax_rates (
    country   country_code NOT NULL,
    tax_class text NOT NULL DEFAULT 'standard',
    percent   numeric(4, 2) NOT NULL CHECK (percent BETWEEN 0 AND 100),
    remark    text,
    PRIMARY KEY (country, tax_class)
);

COPY tax_rates (country, tax_class, percent, remark) FROM stdin WITH (FORMAT csv, HEADER true);
country,tax_class,percent,remark
DE,standard,19,
DE,reduced,7,"books; food; ""flowers"""
NL,standard,21,
NL,reduced,9,"books,
food; medicine"
AT,standard,20,
AT,reduced,10,C:\taxes\at
\.
