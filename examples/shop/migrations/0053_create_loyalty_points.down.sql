/* The points are lost /* they were never worth money; */ */
DROP TABLE loyalty_entries;
