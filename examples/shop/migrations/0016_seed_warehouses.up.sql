INSERT INTO warehouses (code, name, address) VALUES
    ('HAM', 'Hamburg', ROW ('Am Sandtorkai 1; gate 3', '20457', 'Hamburg', 'DE')),
    ('RTM', 'Rotterdam', ROW ('Boompjes 40', '3011 XB', 'Rotterdam', 'NL'))
ON CONFLICT (code) DO NOTHING;
