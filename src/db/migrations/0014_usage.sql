-- What is used, what it costs, and at which prices. Costs are micro-credits.

-- Price lists are never changed: a new one takes effect at its time. Version 1 comes with Reef.
create table price_lists (
  version integer generated always as identity primary key,
  effective_from timestamptz not null,
  -- As `PriceList` in src/domain/credits/prices.ts describes it.
  prices jsonb not null,
  created_by uuid,
  created_at timestamptz not null default now()
);

-- Who, for whom and at what price, beside what a call already says. `reserved` is what was held while it ran.
alter table model_calls
  add column user_id uuid,
  add column agent_id uuid,
  add column task_id uuid,
  add column price_version integer references price_lists,
  add column reserved bigint check (reserved >= 0),
  add column cost bigint check (cost >= 0),
  -- The provider said nothing of the usage, for example because the answer was cut: Reef counted what it saw.
  add column estimated boolean not null default false;

-- How long an instance has been in its state and was not yet charged for. One row per live instance.
create table runtime_meters (
  instance_id uuid primary key references instances on delete cascade,
  organization_id uuid not null,
  -- What its time is charged as since `metered_until`; null when it costs nothing.
  state text check (state in ('running', 'suspended', 'stored')),
  metered_until timestamptz not null,
  -- Measured and not yet in a usage row, in milliseconds by state.
  running_ms bigint not null default 0,
  suspended_ms bigint not null default 0,
  stored_ms bigint not null default 0,
  -- The supervisor's own count of how long it has served, as of its last heartbeat, and which run of it counted.
  served_ms bigint not null default 0,
  supervisor_run text,
  updated_at timestamptz not null default now()
);
create index on runtime_meters (organization_id);

-- One row per instance, state and window: what was charged for runtime.
create table runtime_usage (
  id uuid primary key,
  organization_id uuid not null,
  instance_id uuid not null,
  session_id uuid,
  user_id uuid not null,
  agent_id uuid,
  task_id uuid,
  plan text not null,
  state text not null check (state in ('running', 'suspended', 'stored')),
  window_start timestamptz not null,
  window_end timestamptz not null,
  milliseconds bigint not null check (milliseconds >= 0),
  price_version integer not null references price_lists,
  cost bigint not null check (cost >= 0)
);
create index on runtime_usage (organization_id, window_end);

-- Why an instance may not run though its owner wants it to: lifted when there are credits again.
alter table instances add column credit_hold text check (credit_hold in ('credits', 'budget'));

alter table runtime_meters enable row level security;
alter table runtime_meters force row level security;
alter table runtime_usage enable row level security;
alter table runtime_usage force row level security;
create policy everything on runtime_meters to reef_worker using (true) with check (true);
create policy everything on runtime_usage to reef_worker using (true) with check (true);
create policy own_tenant on runtime_meters for select to reef_app using (organization_id = reef_organization_id());
create policy own_tenant on runtime_usage for select to reef_app using (organization_id = reef_organization_id());

grant select, insert on price_lists to reef_worker;
grant select, insert, update, delete on runtime_meters to reef_worker;
grant select, insert on runtime_usage to reef_worker;
grant select on runtime_meters, runtime_usage to reef_app;
