-- A small shop, for SQLite, PostgreSQL and others.
CREATE TABLE products (
  sku varchar(8) PRIMARY KEY,
  name text,
  description text,
  category text,
  price numeric,
  stock integer
);
INSERT INTO products VALUES
  ('K1', 'Gooseneck kettle', 'Pours a thin, slow stream for filter coffee', 'coffee', 49.0, 12),
  ('K2', 'Hand grinder', 'Grinds coffee beans fresh, for espresso or filter', 'coffee', 65.0, 0),
  ('K3', 'Filter papers', 'A hundred paper filters for coffee', 'coffee', 4.5, 200),
  ('T1', 'Two-person tent', 'Light tent for hiking, stands in ten minutes', 'camping', 189.0, 4),
  ('T2', 'Sleeping mat', 'A warm mat for nights in a tent', 'camping', 55.0, 9),
  ('T3', 'Headlamp', 'Free hands on the hike home', 'camping', 29.0, 31);
