-- Names of people's own under which an instance answers beside SLUG.DOMAIN.
create table domains (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  -- In lower case, as DNS spells it (punycode), without a dot at its end.
  hostname text not null check (length(hostname) <= 253 and
    hostname ~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'),
  -- What the TXT record has to say.
  token text not null,
  state text not null default 'pending' check (state in ('pending', 'verified', 'failed')),
  proof text check (proof in ('txt', 'cname')),
  -- What the last look found wrong, in words for the owner.
  problem text,
  points_here boolean,
  created_by uuid references users on delete set null,
  created_at timestamptz not null default now(),
  checked_at timestamptz,
  next_check_at timestamptz default now(),
  verified_at timestamptz,
  -- Since when a verified domain's proof has been gone.
  unproven_since timestamptz,
  check (state <> 'verified' or proof is not null),
  unique (instance_id, hostname)
);
-- Anybody may ask for a name; only who proves that it is theirs has it.
create unique index one_verified_domain on domains (hostname) where state = 'verified';
create index domains_due on domains (next_check_at) where next_check_at is not null;

create function end_instance_domains() returns trigger language plpgsql as $$
begin
  delete from domains where instance_id = new.id;
  return null;
end $$;
create trigger end_instance_domains after update of desired_state on instances
  for each row when (old.desired_state <> 'deleted' and new.desired_state = 'deleted')
  execute function end_instance_domains();

alter table domains enable row level security;
alter table domains force row level security;
create policy everything on domains to reef_worker using (true) with check (true);
create policy own_tenant on domains to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
grant select, insert, update, delete on domains to reef_app, reef_worker;
