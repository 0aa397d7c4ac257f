-- Control planes, instances, slots, sessions and what is measured of them.

-- One row per running control plane. A link is held by one of them; the others reach it at its internal address.
create table nodes (
  id uuid primary key,
  internal_url text not null,
  -- What it makes slots of; while versions differ, the control plane that started last tends the pool.
  spec_version text not null default '',
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now()
);

-- An instance is what a tenant owns: what they want (desired_state) and what is (status).
create table instances (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  owner_user_id uuid not null references users on delete cascade,
  name text not null check (length(name) between 1 and 100),
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  driver text not null,
  desired_state text not null check (desired_state in ('running', 'suspended', 'stopped', 'deleted')),
  status text not null check (status in
    ('provisioning', 'running', 'suspended', 'stopping', 'stopped', 'failed', 'deleting', 'deleted')),
  reason_code text,
  reason_message text,
  -- The steps of the launch under way or last done: [{name, startedAt, finishedAt}].
  steps jsonb not null default '[]',
  restart_generation integer not null default 0,
  version integer not null default 0,
  -- Deciding for an instance is one short transaction under its row lock, so it needs no lease; a slot does.
  next_reconcile_at timestamptz default now(),
  running_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index on instances (organization_id);
create index instances_due on instances (next_reconcile_at) where next_reconcile_at is not null;
-- For now a person has at most one live instance in an organization, so that a doubled click cannot make two. One that
-- is being deleted does not count, so that its owner need not wait to start afresh.
create unique index one_live_instance_per_person on instances (organization_id, owner_user_id)
  where desired_state <> 'deleted';

-- A slot is one machine-side unit (process, container, ...). It boots before anyone owns it and keeps its own
-- identity when it is assigned: a claim is one UPDATE of this row.
create table slots (
  id uuid primary key,
  driver text not null,
  state text not null check (state in ('initializing', 'available', 'assigned', 'terminating', 'removed')),
  -- Empty again once the slot is removed, so that an instance never has two.
  instance_id uuid unique references instances,
  -- Image, OpenClaw and supervisor version and plan in one text: the pool retires slots of another one.
  spec_version text not null,
  -- Opaque to everything but the driver; stored before anyone waits on it.
  handle jsonb,
  address text,
  -- What the driver last saw.
  phase text not null default 'absent' check (phase in ('absent', 'starting', 'running', 'suspended', 'exited', 'failed')),
  pending_reason text,
  failure_code text,
  failure_message text,
  -- What should be: does the machine run, and how often was OpenClaw told to restart.
  wanted text not null default 'running' check (wanted in ('running', 'suspended', 'stopped', 'removed')),
  restart_generation integer not null default 0,
  -- The link: one-time bootstrap, then a credential of its own; only hashes are kept.
  bootstrap_hash bytea,
  bootstrap_expires_at timestamptz,
  -- Which bootstrap token is out: the token is derived from it, so that a call repeated after a crash carries the same.
  bootstrap_serial integer not null default 0,
  link_credential_hash bytea,
  link_node_id uuid,
  link_connected_at timestamptz,
  heartbeat_at timestamptz,
  heartbeat_sequence bigint not null default 0,
  -- What the supervisor last reported.
  ready boolean not null default false,
  warm boolean not null default false,
  openclaw_version text,
  supervisor_version text,
  applied_restart_generation integer not null default 0,
  memory_bytes bigint,
  cpu_percent real,
  next_reconcile_at timestamptz default now(),
  lease_owner uuid,
  lease_until timestamptz,
  -- Launches that failed in a row, and before when not to try the next.
  attempts integer not null default 0,
  retry_at timestamptz,
  -- When the machine was last asked for, when the driver last looked at it, since when it has not been ready, and since
  -- when it has waited for capacity.
  started_at timestamptz,
  observed_at timestamptz,
  not_ready_since timestamptz,
  waiting_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  available_at timestamptz,
  assigned_at timestamptz,
  check (state <> 'assigned' or instance_id is not null),
  check (state not in ('initializing', 'available') or instance_id is null)
);
create index slots_due on slots (next_reconcile_at) where next_reconcile_at is not null;
create index slots_pool on slots (driver, state, available_at);
create index slots_waiting on slots (driver, waiting_since) where waiting_since is not null;

-- A session is a metered span of work on an instance. What it costs comes with the ledger.
create table sessions (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances,
  user_id uuid not null references users on delete cascade,
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  close_reason text
);
create unique index one_open_session_per_instance on sessions (instance_id) where closed_at is null;
create index on sessions (organization_id, opened_at);

create table instance_samples (
  instance_id uuid not null references instances on delete cascade,
  organization_id uuid not null references organizations on delete cascade,
  at timestamptz not null,
  memory_bytes bigint not null,
  cpu_percent real not null,
  primary key (instance_id, at)
);

-- One row per call of a model through the gateway. Warm-up calls of the pool belong to no organization.
create table model_calls (
  id uuid primary key,
  organization_id uuid references organizations on delete cascade,
  instance_id uuid references instances,
  slot_id uuid not null references slots,
  session_id uuid references sessions,
  provider text not null,
  model text not null,
  protocol text not null check (protocol in ('chat_completions', 'responses', 'messages')),
  streamed boolean not null,
  outcome text not null check (outcome in ('pending', 'succeeded', 'failed', 'cancelled')),
  http_status integer,
  error_code text,
  input_tokens bigint,
  cached_input_tokens bigint,
  output_tokens bigint,
  reasoning_tokens bigint,
  started_at timestamptz not null default now(),
  first_byte_at timestamptz,
  finished_at timestamptz
);
create index on model_calls (organization_id, started_at);

alter table instances enable row level security;
alter table instances force row level security;
alter table slots enable row level security;
alter table slots force row level security;
alter table sessions enable row level security;
alter table sessions force row level security;
alter table instance_samples enable row level security;
alter table instance_samples force row level security;
alter table model_calls enable row level security;
alter table model_calls force row level security;

create policy everything on instances to reef_worker using (true) with check (true);
create policy everything on slots to reef_worker using (true) with check (true);
create policy everything on sessions to reef_worker using (true) with check (true);
create policy everything on instance_samples to reef_worker using (true) with check (true);
create policy everything on model_calls to reef_worker using (true) with check (true);

create policy own_tenant on instances to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on slots for select to reef_app
  using (instance_id in (select id from instances where organization_id = reef_organization_id()));
create policy own_tenant on sessions to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on instance_samples for select to reef_app
  using (organization_id = reef_organization_id());
create policy own_tenant on model_calls for select to reef_app
  using (organization_id = reef_organization_id());

grant select, insert, update, delete on instances, sessions, instance_samples, model_calls, nodes, slots to reef_worker;
grant select, insert, update, delete on instances, sessions to reef_app;
grant select on instance_samples, model_calls to reef_app;
-- Of its slot a tenant sees what the dashboard shows; hashes, handles and leases are none of its business.
grant select (id, driver, state, instance_id, phase, address, ready, warm, openclaw_version, supervisor_version,
  memory_bytes, cpu_percent) on slots to reef_app;
