-- Secrets of organizations, instances and sessions. Only sealed values are stored, and only reef_worker reads those: what
-- a tenant wrote it can replace, list and remove, and never read back.
create table secrets (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  -- Without an instance: for all instances of the organization. With a session: for its instance, until it closes.
  instance_id uuid references instances on delete cascade,
  session_id uuid references sessions on delete cascade,
  name text not null check (name ~ '^[A-Z][A-Z0-9_]{0,127}$'),
  -- Rises by one with each new value.
  version integer not null default 1 check (version > 0),
  sealed text not null check (length(sealed) <= 65536),
  -- Of the key-encryption key, so that those to be wrapped anew are found.
  key_id text not null generated always as (split_part(sealed, '.', 2)) stored,
  fingerprint text not null,
  size_bytes integer not null check (size_bytes between 1 and 16384),
  expose_to_tools boolean not null default false,
  created_by uuid references users on delete set null,
  created_at timestamptz not null default now(),
  updated_by uuid references users on delete set null,
  updated_at timestamptz not null default now(),
  delivered_at timestamptz,
  check (session_id is null or instance_id is not null),
  unique nulls not distinct (organization_id, instance_id, session_id, name)
);
create index on secrets (instance_id);
create index on secrets (session_id);
create index on secrets (key_id);

-- Who did what with which secret, and which slot was given it. Outlives the secret. Append-only.
create table secret_events (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid references instances on delete cascade,
  session_id uuid,
  secret_id uuid not null,
  name text not null,
  scope text not null check (scope in ('organization', 'instance', 'session')),
  kind text not null check (kind in ('created', 'rotated', 'exposed', 'hidden', 'removed', 'ended', 'delivered')),
  version integer not null,
  user_id uuid references users on delete set null,
  -- Of a delivery: to whom, over which of its links.
  slot_id uuid,
  link_connected_at timestamptz,
  at timestamptz not null default now(),
  check ((kind = 'delivered') = (slot_id is not null))
);
create index on secret_events (organization_id, at);
create index on secret_events (instance_id, at);
create unique index one_delivery_per_link on secret_events (secret_id, version, slot_id, link_connected_at)
  where kind = 'delivered';

-- A session takes its secrets with it, whoever closes it.
create function end_session_secrets() returns trigger language plpgsql as $$
begin
  insert into secret_events (id, organization_id, instance_id, session_id, secret_id, name, scope, kind, version)
    select gen_random_uuid(), organization_id, instance_id, session_id, id, name, 'session', 'ended', version
    from secrets where session_id = new.id;
  delete from secrets where session_id = new.id;
  return null;
end $$;
create trigger end_session_secrets after update of closed_at on sessions
  for each row when (old.closed_at is null and new.closed_at is not null)
  execute function end_session_secrets();

-- And so does an instance.
create function end_instance_secrets() returns trigger language plpgsql as $$
begin
  insert into secret_events (id, organization_id, instance_id, session_id, secret_id, name, scope, kind, version)
    select gen_random_uuid(), organization_id, instance_id, session_id, id, name,
      case when session_id is null then 'instance' else 'session' end, 'ended', version
    from secrets where instance_id = new.id;
  delete from secrets where instance_id = new.id;
  return null;
end $$;
create trigger end_instance_secrets after update of desired_state on instances
  for each row when (old.desired_state <> 'deleted' and new.desired_state = 'deleted')
  execute function end_instance_secrets();

alter table secrets enable row level security;
alter table secrets force row level security;
alter table secret_events enable row level security;
alter table secret_events force row level security;

create policy everything on secrets to reef_worker using (true) with check (true);
create policy everything on secret_events to reef_worker using (true) with check (true);
create policy own_tenant on secrets to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on secret_events to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());

grant select, insert, update, delete on secrets to reef_worker;
grant select, insert on secret_events to reef_worker, reef_app;
grant insert, update, delete on secrets to reef_app;
-- All but the sealed value.
grant select (id, organization_id, instance_id, session_id, name, version, key_id, fingerprint, size_bytes,
  expose_to_tools, created_by, created_at, updated_by, updated_at, delivered_at) on secrets to reef_app;
