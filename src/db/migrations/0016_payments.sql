-- Credits that are bought with money. Money records outlive what they are about, so nothing here refers to an organization
-- or a person by a foreign key. Amounts of money are hundredths of the currency, credits are micro-credits.

-- Who an organization is at the payment provider, and its saved card as far as people are shown it.
create table payment_customers (
  organization_id uuid primary key,
  customer_id text not null unique,
  card_id text,
  card_brand text,
  card_last4 text,
  card_expires text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table payments (
  id uuid primary key,
  organization_id uuid not null,
  kind text not null check (kind in ('checkout', 'auto_top_up')),
  state text not null default 'open' check (state in ('open', 'processing', 'paid', 'failed', 'expired')),
  pack text not null,
  credits bigint not null check (credits > 0),
  amount_cents bigint not null check (amount_cents > 0),
  currency text not null,
  customer_id text not null,
  -- The provider's ids, once they are known.
  checkout_id text unique,
  intent_id text unique,
  -- Of an auto top-up: the card that is charged.
  card_id text,
  receipt_url text,
  failure_code text,
  failure_message text,
  -- Why it was paid and yet no credits were given: for the operator.
  problem text,
  created_by uuid,
  created_at timestamptz not null default now(),
  paid_at timestamptz,
  -- Rises with every change, of its refunds and disputes too, so that nothing older than what is known is written.
  version bigint not null default 0,
  -- When to ask the provider about it next, should nothing be heard of it; null once nothing is expected any more.
  look_at timestamptz,
  -- When it was last asked for because a person waits.
  refreshed_at timestamptz
);
create index on payments (organization_id, created_at);
create index payments_to_look_at on payments (look_at) where look_at is not null;
-- The brake that no race passes.
create unique index one_auto_top_up_at_once on payments (organization_id)
  where kind = 'auto_top_up' and state in ('open', 'processing');

create table payment_refunds (
  id uuid primary key,
  payment_id uuid not null references payments,
  organization_id uuid not null,
  -- The provider's id, once it is known.
  refund_id text unique,
  -- Requested: the credits are taken, and the provider is yet to be told. Returned: it came to nothing, and they are back.
  state text not null check (state in ('requested', 'made', 'returned')),
  amount_cents bigint not null check (amount_cents > 0),
  credits bigint not null check (credits >= 0),
  -- How much of them was there to be taken.
  taken bigint not null check (taken >= 0),
  reason text,
  requested_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on payment_refunds (payment_id);
create index payment_refunds_requested on payment_refunds (created_at) where state = 'requested';

create table payment_disputes (
  dispute_id text primary key,
  payment_id uuid not null references payments,
  organization_id uuid not null,
  -- An inquiry has moved no money yet.
  state text not null check (state in ('inquiry', 'open', 'won', 'lost')),
  -- How often its state has changed: part of the ledger's keys.
  turn integer not null default 0,
  amount_cents bigint not null check (amount_cents > 0),
  credits bigint not null check (credits >= 0),
  frozen bigint not null default 0 check (frozen >= 0),
  taken bigint not null default 0 check (taken >= 0),
  -- What had been used when it was lost, which stays the operator's loss even if it is won after all.
  written_off bigint not null default 0 check (written_off >= 0),
  reason text,
  due_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on payment_disputes (payment_id);

-- What the provider told: stored before anything is done about it. Only which objects it is about, since each is asked for
-- anew, so that neither order nor repetition matters.
create table stripe_events (
  id text primary key,
  type text not null,
  subject jsonb not null,
  source text not null check (source in ('webhook', 'reconciliation')),
  created_at timestamptz not null,
  received_at timestamptz not null default now(),
  processed_at timestamptz,
  attempts integer not null default 0,
  due_at timestamptz not null default now(),
  failure text
);
create index stripe_events_due on stripe_events (due_at) where processed_at is null;
create index on stripe_events (received_at);

create table auto_top_ups (
  organization_id uuid primary key,
  enabled boolean not null,
  -- Below so many available micro-credits a pack is bought.
  threshold bigint not null check (threshold > 0),
  pack text not null,
  monthly_limit_cents bigint not null check (monthly_limit_cents > 0),
  -- In a row.
  failures integer not null default 0,
  -- Nothing is bought before.
  due_at timestamptz not null default now(),
  -- Why nothing is bought although credits are low, and what to do.
  problem text,
  updated_by uuid,
  updated_at timestamptz not null default now()
);

create table payment_reconciliations (
  id uuid primary key,
  from_at timestamptz not null,
  until_at timestamptz not null,
  started_at timestamptz not null default now(),
  lease_until timestamptz not null,
  finished_at timestamptz,
  report jsonb,
  failure text
);
create unique index one_reconciliation_at_once on payment_reconciliations ((true)) where finished_at is null;
create index on payment_reconciliations (until_at) where finished_at is not null and failure is null;

alter table payment_customers enable row level security;
alter table payment_customers force row level security;
alter table payments enable row level security;
alter table payments force row level security;
alter table payment_refunds enable row level security;
alter table payment_refunds force row level security;
alter table payment_disputes enable row level security;
alter table payment_disputes force row level security;
alter table stripe_events enable row level security;
alter table stripe_events force row level security;
alter table auto_top_ups enable row level security;
alter table auto_top_ups force row level security;
alter table payment_reconciliations enable row level security;
alter table payment_reconciliations force row level security;

create policy everything on payment_customers to reef_worker using (true) with check (true);
create policy everything on payments to reef_worker using (true) with check (true);
create policy everything on payment_refunds to reef_worker using (true) with check (true);
create policy everything on payment_disputes to reef_worker using (true) with check (true);
create policy everything on stripe_events to reef_worker using (true) with check (true);
create policy everything on auto_top_ups to reef_worker using (true) with check (true);
create policy everything on payment_reconciliations to reef_worker using (true) with check (true);
create policy own_tenant on payment_customers for select to reef_app
  using (organization_id = reef_organization_id());
create policy own_tenant on payments for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on payment_refunds for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on payment_disputes for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on auto_top_ups to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());

-- A tenant can say when to buy, and nothing about what was paid.
grant select, insert, update on payments, payment_customers, payment_refunds, payment_disputes, auto_top_ups,
  payment_reconciliations to reef_worker;
grant select, insert, update, delete on stripe_events to reef_worker;
grant select on payments, payment_customers, payment_refunds, payment_disputes to reef_app;
grant select, insert, update on auto_top_ups to reef_app;

-- For the reconciliation, which asks what came of a payment.
create index ledger_transfers_of_payments on ledger_transfers (organization_id, reference)
  where operation in ('purchase', 'refund', 'freeze', 'unfreeze', 'forfeit');
