-- Runtime: what supervisors say that they have served, and what is held for what is about to run.

alter table slots
  -- The supervisor's own count of how long its OpenClaw has served, which counter it is, and when it was told.
  add column served_ms bigint not null default 0,
  add column served_run text,
  add column served_at timestamptz;

alter table runtime_meters
  -- Time that it ran by our own record and that its supervisor has not accounted for yet.
  add column unproven_ms bigint not null default 0,
  -- Of that, what it may have served between its last report and its end, until it says so.
  add column unheard_ms bigint not null default 0,
  -- When its supervisor last said anything.
  add column reported_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  -- End of the last usage row.
  add column charged_until timestamptz not null default date_trunc('milliseconds', clock_timestamp());

-- What is held for the runtime of an organization's instances, one row per organization that ever ran one.
create table runtime_windows (
  organization_id uuid primary key,
  reservation_id uuid not null,
  -- Of its charges, for their idempotency keys.
  sequence bigint not null default 0,
  -- When to charge next; null while nothing costs.
  charge_at timestamptz,
  -- Until when what is held pays for what runs, and for ending it after that; null while nothing runs.
  covered_until timestamptz,
  -- Set while its instances are held for lack of credits: all that had come in by then. More than that lifts the hold.
  hold_inflow bigint,
  updated_at timestamptz not null default now()
);
create index runtime_windows_due on runtime_windows (charge_at) where charge_at is not null;
create index runtime_windows_held on runtime_windows (organization_id) where hold_inflow is not null;

alter table runtime_windows enable row level security;
alter table runtime_windows force row level security;
create policy everything on runtime_windows to reef_worker using (true) with check (true);
create policy own_tenant on runtime_windows for select to reef_app using (organization_id = reef_organization_id());

grant select, insert, update, delete on runtime_windows to reef_worker;
grant select on runtime_windows to reef_app;
