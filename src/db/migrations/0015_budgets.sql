-- Budgets: what an organization, a member, an instance or an agent may spend in a day or a month (UTC), in micro-credits;
-- and alerts, which say that a budget or the credits run out, with their deliveries.

create table budgets (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  scope text not null check (scope in ('organization', 'member', 'instance', 'agent')),
  -- The member's, instance's or agent's id; nothing for the organization's own.
  subject_id uuid,
  period text not null check (period in ('day', 'month')),
  limit_amount bigint not null check (limit_amount > 0),
  created_by uuid references users on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((scope = 'organization') = (subject_id is null)),
  unique nulls not distinct (organization_id, scope, subject_id, period)
);

-- What counts towards a budget in one period. `spent` and `reserved` are the sums of its entries, and `spent` of what had
-- been spent when the budget was made.
create table budget_counters (
  budget_id uuid not null references budgets on delete cascade,
  organization_id uuid not null references organizations on delete cascade,
  period_start timestamptz not null,
  spent bigint not null default 0 check (spent >= 0),
  -- For what is under way.
  reserved bigint not null default 0 check (reserved >= 0),
  -- The highest percentage that was told.
  alerted smallint not null default 0,
  primary key (budget_id, period_start)
);
create index on budget_counters (organization_id);

-- Each spending once for each budget that it counts towards, so that telling of it twice changes nothing.
create table budget_entries (
  organization_id uuid not null references organizations on delete cascade,
  key text not null check (length(key) between 1 and 200),
  budget_id uuid not null references budgets on delete cascade,
  period_start timestamptz not null,
  held bigint not null check (held >= 0),
  -- Null while it is under way.
  spent bigint check (spent >= 0),
  at timestamptz not null default now(),
  primary key (organization_id, key, budget_id)
);
create index on budget_entries (budget_id);
create index budget_entries_open on budget_entries (at) where spent is null and held > 0;
create index budget_entries_done on budget_entries (at) where spent is not null or held = 0;

-- 256 locks for all organizations: enough that two seldom share one, few enough for a transaction of many.
create function budget_lock(organization_id uuid) returns integer language sql immutable as
$$ select ('x' || right(organization_id::text, 2))::bit(8)::integer $$;

-- The budgets of organizations that are about to spend, locked until the transaction ends. Whoever makes, changes or
-- deletes a budget holds its organization's advisory lock alone, so that a spending either sees the budget or has ended
-- before it is made. One call, since each query of a function sees what was committed before that query.
create function lock_budgets(organization_ids uuid[]) returns setof budgets language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock_shared(7333, place) from (
    select distinct budget_lock(id) as place from unnest(organization_ids) as id order by 1
  ) as places;
  return query select * from budgets where organization_id = any(organization_ids) order by id for no key update;
end $$;

create table alerts (
  id uuid primary key,
  -- Null for what concerns the operators.
  organization_id uuid references organizations on delete cascade,
  kind text not null check (kind in
    ('balance_low', 'credits_exhausted', 'budget_threshold', 'top_up_failed', 'ledger_damaged', 'test')),
  severity text not null check (severity in ('info', 'warning', 'critical')),
  title text not null,
  message text not null,
  details jsonb not null default '{}',
  -- While it is set, the same thing is not told again.
  key text unique,
  -- A person whom it concerns beside the owners and administrators.
  user_id uuid references users on delete set null,
  created_at timestamptz not null default now(),
  -- When what it tells of was over.
  cleared_at timestamptz
);
create index on alerts (organization_id, created_at);
create index alerts_of_operators on alerts (created_at) where organization_id is null;

create table alert_dismissals (
  alert_id uuid not null references alerts on delete cascade,
  user_id uuid not null references users on delete cascade,
  organization_id uuid references organizations on delete cascade,
  at timestamptz not null default now(),
  primary key (alert_id, user_id)
);

-- Where an organization's alerts are posted to. The key that signs them is derived and not stored.
create table alert_webhooks (
  organization_id uuid primary key references organizations on delete cascade,
  url text not null check (length(url) <= 2000),
  secret_version integer not null default 1,
  updated_by uuid references users on delete set null,
  updated_at timestamptz not null default now()
);

-- What is still to be sent, and what became of it. Written with the alert, so that none is lost.
create table alert_deliveries (
  id uuid primary key,
  alert_id uuid not null references alerts on delete cascade,
  organization_id uuid references organizations on delete cascade,
  channel text not null check (channel in ('email', 'webhook')),
  -- The address of a mail; a webhook's is looked up when it is sent.
  recipient text,
  attempts integer not null default 0,
  -- When to try (again); null when it is over.
  next_attempt_at timestamptz default now(),
  delivered_at timestamptz,
  -- Why the last attempt failed.
  failure text,
  created_at timestamptz not null default now()
);
create index alert_deliveries_due on alert_deliveries (next_attempt_at) where next_attempt_at is not null;
create index on alert_deliveries (alert_id);
create index on alert_deliveries (organization_id, created_at);

alter table budgets enable row level security;
alter table budgets force row level security;
alter table budget_counters enable row level security;
alter table budget_counters force row level security;
alter table budget_entries enable row level security;
alter table budget_entries force row level security;
alter table alerts enable row level security;
alter table alerts force row level security;
alter table alert_dismissals enable row level security;
alter table alert_dismissals force row level security;
alter table alert_webhooks enable row level security;
alter table alert_webhooks force row level security;
alter table alert_deliveries enable row level security;
alter table alert_deliveries force row level security;

create policy everything on budgets to reef_worker using (true) with check (true);
create policy everything on budget_counters to reef_worker using (true) with check (true);
create policy everything on budget_entries to reef_worker using (true) with check (true);
create policy everything on alerts to reef_worker using (true) with check (true);
create policy everything on alert_dismissals to reef_worker using (true) with check (true);
create policy everything on alert_webhooks to reef_worker using (true) with check (true);
create policy everything on alert_deliveries to reef_worker using (true) with check (true);
create policy own_tenant on budgets to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on budget_counters to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on budget_entries for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on alerts for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on alert_dismissals to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on alert_webhooks to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on alert_deliveries for select to reef_app using (organization_id = reef_organization_id());

grant select, insert, update, delete on budgets, budget_counters, budget_entries, alerts, alert_dismissals,
  alert_webhooks, alert_deliveries to reef_worker;
grant select, insert, update, delete on budgets, alert_webhooks to reef_app;
grant select, insert on budget_counters, alert_dismissals to reef_app;
grant select on budget_entries, alerts, alert_deliveries to reef_app;
