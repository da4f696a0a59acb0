DROP TABLE invoices;
DROP FUNCTION next_invoice_number();
