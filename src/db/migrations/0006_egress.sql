-- What instances may reach of the outside, what they tried to reach, and how much they sent and received.

-- Without an instance: the organization's own, which holds for all of its instances that have none of theirs.
create table egress_settings (
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid references instances on delete cascade,
  mode text not null check (mode in ('allow_list', 'open')),
  updated_at timestamptz not null default now(),
  unique nulls not distinct (organization_id, instance_id)
);
create index on egress_settings (instance_id);

-- An instance may reach what its own rules and those of its organization name.
create table egress_rules (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid references instances on delete cascade,
  -- An exact name, or one below which everything is meant; in the one spelling that the gate compares with.
  domain text not null check (length(domain) <= 253 and
    domain ~ '^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$'),
  -- Empty: those of the web, 80 and 443.
  ports integer[] not null default '{}' check (array_length(ports, 1) is null or array_length(ports, 1) <= 10),
  created_by uuid references users on delete set null,
  created_at timestamptz not null default now(),
  unique nulls not distinct (organization_id, instance_id, domain)
);
create index on egress_rules (instance_id);

-- Refused attempts, counted by minute.
create table egress_denied (
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  at timestamptz not null,
  host text not null check (length(host) <= 255),
  port integer not null,
  reason text not null,
  attempts bigint not null check (attempts > 0),
  primary key (instance_id, at, host, port, reason)
);
create index on egress_denied (at);

-- Bytes through the gate's proxy, by hour.
create table egress_traffic (
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  at timestamptz not null,
  sent_bytes bigint not null,
  received_bytes bigint not null,
  primary key (instance_id, at)
);
create index on egress_traffic (at);

alter table egress_settings enable row level security;
alter table egress_settings force row level security;
alter table egress_rules enable row level security;
alter table egress_rules force row level security;
alter table egress_denied enable row level security;
alter table egress_denied force row level security;
alter table egress_traffic enable row level security;
alter table egress_traffic force row level security;

create policy everything on egress_settings to reef_worker using (true) with check (true);
create policy everything on egress_rules to reef_worker using (true) with check (true);
create policy everything on egress_denied to reef_worker using (true) with check (true);
create policy everything on egress_traffic to reef_worker using (true) with check (true);

create policy own_tenant on egress_settings to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on egress_rules to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on egress_denied for select to reef_app
  using (organization_id = reef_organization_id());
create policy own_tenant on egress_traffic for select to reef_app
  using (organization_id = reef_organization_id());

grant select, insert, update, delete on egress_settings, egress_rules, egress_denied, egress_traffic to reef_worker;
grant select, insert, update, delete on egress_settings, egress_rules to reef_app;
grant select on egress_denied, egress_traffic to reef_app;

-- A gate must know a slot's addresses before anything in the slot can speak, so it hears of them at once.
create function reef_hint_slot_handle() returns trigger language plpgsql as $$
begin
  perform pg_notify('slot_changed', new.id::text);
  return null;
end $$;
create trigger slot_handle_changed after update of handle on slots
  for each row when (old.handle is distinct from new.handle) execute function reef_hint_slot_handle();
