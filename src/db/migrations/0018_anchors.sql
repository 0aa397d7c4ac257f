-- Anchors of the ledger lie outside of the database, in signed files that are chained to each other. Here is what the last
-- ones held, so that the next ones are made of what has changed, and so that a file that disappears is missed.
create table ledger_anchors (
  number bigint primary key check (number > 0),
  sha256 bytea not null check (length(sha256) = 32),
  -- The file, until it lies where it belongs.
  content text,
  created_at timestamptz not null default now()
);
create index ledger_anchors_pending on ledger_anchors (number) where content is not null;

create table ledger_anchored_heads (
  organization_id uuid primary key,
  sequence bigint not null
);

alter table ledger_anchored_heads enable row level security;
alter table ledger_anchored_heads force row level security;
create policy everything on ledger_anchored_heads to reef_worker using (true) with check (true);
create policy own_tenant on ledger_anchored_heads for select to reef_app
  using (organization_id = reef_organization_id());

grant select, insert, update (content) on ledger_anchors to reef_worker;
grant select, insert, update on ledger_anchored_heads to reef_worker;
grant select on ledger_anchored_heads to reef_app;

-- The accounts of the whole Reef: where all credits came from, and where they are.
create view ledger_system_accounts with (security_invoker = true) as
  select account, sum(balance)::bigint as balance, bool_or(source) as source
  from ledger_books, lateral (values
    ('granted', granted, true), ('purchased', purchased, true), ('written_off', written_off, true),
    ('available', available, false), ('reserved', reserved, false), ('spent', spent, false),
    ('frozen', frozen, false), ('refunded', refunded, false)
  ) as accounts (account, balance, source)
  group by account;
grant select on ledger_system_accounts to reef_worker;
