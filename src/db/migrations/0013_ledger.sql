-- The credit ledger, in micro-credits. Money records outlive what they are about, so nothing here refers to another table
-- by a foreign key: an organization may be deleted, what it paid and used may not.

-- An organization's accounts: their balances, and the head of its chain of transfers. It is one row, since every operation
-- moves two of the accounts and takes the next place in the chain: one lock for all of it, taken in the order of ids.
-- Granted, purchased and written_off are where credits come from; the others are where they are.
create table ledger_books (
  organization_id uuid primary key,
  available bigint not null default 0 check (available >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  spent bigint not null default 0 check (spent >= 0),
  -- Held back while a payment is disputed.
  frozen bigint not null default 0 check (frozen >= 0),
  -- Taken back with the money that was paid for them.
  refunded bigint not null default 0 check (refunded >= 0),
  granted bigint not null default 0 check (granted >= 0),
  purchased bigint not null default 0 check (purchased >= 0),
  -- What was used or paid back beyond what there was: the operator's loss, never the organization's debt.
  written_off bigint not null default 0 check (written_off >= 0),
  head_sequence bigint not null default 0,
  head_hash bytea not null default decode(repeat('00', 32), 'hex') check (length(head_hash) = 32),
  updated_at timestamptz not null default now(),
  constraint debits_equal_credits
    check (granted + purchased + written_off = available + reserved + spent + frozen + refunded)
);

-- Every movement between two accounts of one organization, never changed and never deleted.
create table ledger_transfers (
  organization_id uuid not null,
  -- 1, 2, 3 ... without gaps.
  sequence bigint not null check (sequence > 0),
  at timestamptz(3) not null,
  -- The idempotency key of the operation that it belongs to, and its place among that operation's transfers.
  key text not null check (length(key) between 1 and 200),
  leg smallint not null,
  request_hash bytea not null,
  operation text not null,
  debit text not null,
  credit text not null,
  amount bigint not null check (amount > 0),
  reservation_id uuid,
  -- What it is about outside of the ledger, for example a payment.
  reference text,
  note text,
  -- The person who did it; null for what Reef does by itself.
  actor_user_id uuid,
  -- SHA-256 over the hash before it and all of the above.
  hash bytea not null check (length(hash) = 32),
  primary key (organization_id, sequence),
  unique (organization_id, key, leg),
  check (debit <> credit)
);

-- What is held for something that is under way and will cost at most this much.
create table ledger_reservations (
  id uuid primary key,
  organization_id uuid not null,
  purpose text not null check (purpose in ('model_call', 'runtime')),
  -- What is still held; zero once it is closed.
  held bigint not null check (held >= 0),
  settled bigint not null default 0 check (settled >= 0),
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  closed_at timestamptz,
  check (closed_at is null or held = 0)
);
create index ledger_reservations_open on ledger_reservations (expires_at) where closed_at is null;
create index on ledger_reservations (organization_id) where closed_at is null;
create index ledger_reservations_closed on ledger_reservations (closed_at) where closed_at is not null;

alter table ledger_books enable row level security;
alter table ledger_books force row level security;
alter table ledger_transfers enable row level security;
alter table ledger_transfers force row level security;
alter table ledger_reservations enable row level security;
alter table ledger_reservations force row level security;

create policy everything on ledger_books to reef_worker using (true) with check (true);
create policy everything on ledger_transfers to reef_worker using (true) with check (true);
create policy everything on ledger_reservations to reef_worker using (true) with check (true);
create policy own_tenant on ledger_books for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on ledger_transfers for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on ledger_reservations for select to reef_app
  using (organization_id = reef_organization_id());

-- Append-only: nobody whom the application can become may change or delete a transfer, or delete a book.
grant select, insert, update on ledger_books to reef_worker;
grant select, insert on ledger_transfers to reef_worker;
grant select, insert, update, delete on ledger_reservations to reef_worker;
grant select on ledger_books, ledger_transfers, ledger_reservations to reef_app;
