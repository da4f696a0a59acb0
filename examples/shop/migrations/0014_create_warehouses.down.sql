DROP TABLE warehouses;
DROP TYPE postal_address;
