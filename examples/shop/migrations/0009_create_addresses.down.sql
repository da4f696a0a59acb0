DROP TABLE addresses;
DROP TYPE address_kind;
