-- Backups: who may open them, what there is and where, what was restored, and what went wrong.

-- One age key pair per person. The private half is sealed; with its row gone, nobody can open the person's backups.
create table backup_keys (
  user_id uuid primary key references users on delete cascade,
  recipient text not null,
  sealed_identity text not null,
  created_at timestamptz not null default now()
);

create table backups (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  -- Whose key opens it.
  user_id uuid not null references users on delete cascade,
  kind text not null check (kind in ('full', 'checkpoint')),
  reason text not null check (reason in
    ('scheduled', 'on_demand', 'before_upgrade', 'before_restore', 'before_archive', 'checkpoint')),
  -- requested -> running -> complete or failed; a complete one ends as deleted.
  state text not null check (state in ('requested', 'running', 'complete', 'failed', 'deleted')),
  -- The backup that a checkpoint adds to.
  base_backup_id uuid references backups,
  slot_id uuid,
  stored_bytes bigint,
  content_bytes bigint,
  file_count integer,
  conversation_count integer,
  openclaw_version text,
  -- The signed text, as it is stored beside the content.
  signed_manifest text,
  local_key text,
  remote_key text,
  -- Copying to the remote store: when to try (again), and how often it failed.
  remote_retry_at timestamptz,
  remote_attempts integer not null default 0,
  failure_code text,
  failure_message text,
  verified_at timestamptz,
  verify_failure text,
  requested_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  -- A step that a control plane has taken on, and until when it alone does.
  lease_until timestamptz,
  attempts integer not null default 0,
  check (state <> 'complete' or (signed_manifest is not null and completed_at is not null))
);
create index on backups (instance_id, completed_at desc) where state = 'complete';
create index on backups (requested_at) where state in ('requested', 'running');
create index on backups (remote_retry_at) where remote_retry_at is not null;
create index on backups (organization_id);
-- Two at once would only slow each other down.
create unique index one_full_backup_at_a_time on backups (instance_id)
  where kind = 'full' and state in ('requested', 'running');

create table restores (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  backup_id uuid not null references backups,
  -- What the state was before, so that it can be had back.
  safety_backup_id uuid references backups,
  requested_by uuid references users on delete set null,
  -- first: of a machine without state, before anyone uses it.
  kind text not null check (kind in ('requested', 'first')),
  state text not null check (state in ('securing', 'ordered', 'succeeded', 'failed')),
  slot_id uuid,
  message text,
  requested_at timestamptz not null default now(),
  finished_at timestamptz
);
create index on restores (instance_id, requested_at desc);
create unique index one_restore_at_a_time on restores (instance_id) where state in ('securing', 'ordered');
create index restores_of_slots on restores (slot_id) where state = 'ordered';

-- When the next scheduled backup of an instance is due, and when its newest backup was last proven by restoring it.
create table backup_schedules (
  instance_id uuid primary key references instances on delete cascade,
  organization_id uuid not null references organizations on delete cascade,
  next_at timestamptz not null,
  drill_at timestamptz
);
create index on backup_schedules (next_at);

create table backup_drills (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  backup_id uuid not null references backups,
  slot_id uuid,
  state text not null check (state in ('running', 'passed', 'failed')),
  message text,
  started_at timestamptz not null default now(),
  finished_at timestamptz
);
create index on backup_drills (instance_id, started_at desc);
create unique index one_drill_per_slot on backup_drills (slot_id) where state = 'running';

-- What an operator or an owner should know until it is well again.
create table backup_alarms (
  id uuid primary key,
  kind text not null check (kind in ('remote_unavailable', 'backup_failed', 'restore_failed', 'drill_failed')),
  -- Null: of the whole Reef.
  organization_id uuid references organizations on delete cascade,
  instance_id uuid references instances on delete cascade,
  message text not null,
  raised_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  cleared_at timestamptz
);
create unique index one_open_alarm on backup_alarms (kind, coalesce(instance_id, '00000000-0000-0000-0000-000000000000'))
  where cleared_at is null;
create index on backup_alarms (organization_id);

alter table backup_keys enable row level security;
alter table backup_keys force row level security;
alter table backups enable row level security;
alter table backups force row level security;
alter table restores enable row level security;
alter table restores force row level security;
alter table backup_schedules enable row level security;
alter table backup_schedules force row level security;
alter table backup_drills enable row level security;
alter table backup_drills force row level security;
alter table backup_alarms enable row level security;
alter table backup_alarms force row level security;

create policy everything on backup_keys to reef_worker using (true) with check (true);
create policy everything on backups to reef_worker using (true) with check (true);
create policy everything on restores to reef_worker using (true) with check (true);
create policy everything on backup_schedules to reef_worker using (true) with check (true);
create policy everything on backup_drills to reef_worker using (true) with check (true);
create policy everything on backup_alarms to reef_worker using (true) with check (true);

create policy own_tenant on backups to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on restores to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on backup_schedules for select to reef_app
  using (organization_id = reef_organization_id());
create policy own_tenant on backup_drills for select to reef_app
  using (organization_id = reef_organization_id());
create policy own_tenant on backup_alarms for select to reef_app
  using (organization_id = reef_organization_id());

grant select, insert, update, delete on backup_keys, backups, restores, backup_schedules, backup_drills, backup_alarms
  to reef_worker;
grant select, insert on backups, restores to reef_app;
grant select on backup_schedules, backup_drills, backup_alarms to reef_app;
