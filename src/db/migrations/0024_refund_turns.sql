-- How often a refund has changed its mind: each time has its own operation in the ledger.
alter table payment_refunds add column turn integer not null default 0;

-- Operators page through all payments, the newest first.
create index on payments (created_at, id);
