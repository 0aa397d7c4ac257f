-- E-mail addresses that are proven, and the credits that new organizations begin with.

-- A link that was mailed: whoever opens it reads that address. Only a hash of its token is kept.
create table email_verifications (
  token_hash bytea primary key check (length(token_hash) = 32),
  user_id uuid not null references users on delete cascade,
  -- The address that it proves: another one since then is not proven by it.
  email text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index on email_verifications (user_id);
create index on email_verifications (expires_at);

grant select, insert, update, delete on email_verifications to reef_worker;

-- Trial credits, once per organization. The row is written with the organization, so that whoever dies before the grant
-- leaves it to the sweep. No foreign keys: it outlives what it is about, or deleting an account would give them anew.
create table trials (
  organization_id uuid primary key,
  -- Of the person whose first organization it is; none for what was there before trials were.
  user_id uuid unique,
  -- Keyed hashes of the address, as people write it in many ways, and of the network that signed up. They say whether two
  -- are the same and nothing else.
  address_key text,
  network_key text,
  -- verification: waits for the address to be proven. due: may be granted. granted, refused: over.
  state text not null check (state in ('verification', 'due', 'granted', 'refused')),
  -- Of a due one that has to wait.
  not_before timestamptz not null default now(),
  created_at timestamptz not null default now(),
  decided_at timestamptz
);
create unique index one_trial_per_address on trials (address_key) where state = 'granted';
create index trials_due on trials (not_before) where state = 'due';
create index trials_of_networks on trials (network_key, decided_at) where state = 'granted';

alter table trials enable row level security;
alter table trials force row level security;
create policy everything on trials to reef_worker using (true) with check (true);
create policy own_tenant on trials for select to reef_app using (organization_id = reef_organization_id());
grant select, insert, update on trials to reef_worker;
grant select (organization_id, state, decided_at) on trials to reef_app;

-- Whoever is here already begins with them too, so that an upgrade stops nobody.
insert into trials (organization_id, user_id, state)
select id, personal_user_id, 'due' from organizations;
