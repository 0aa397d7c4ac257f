-- Accounts: people, organizations, members, invitations, credentials.
--
-- Who may read what is decided here and not only in the application. Every connection of the application starts
-- without any privilege and takes one of two roles for the length of a transaction (src/db/database.ts):
--   reef_app     one organization's rows (setting reef.organization_id) or one person's own (reef.user_id)
--   reef_worker  reconcilers and other work that serves all organizations

create function reef_organization_id() returns uuid language sql stable as
$$ select nullif(current_setting('reef.organization_id', true), '')::uuid $$;

create function reef_user_id() returns uuid language sql stable as
$$ select nullif(current_setting('reef.user_id', true), '')::uuid $$;

-- Sign-up and log-in happen before there is a tenant, so these three are not tenant tables. Only the login role that
-- serves log-in and reef_worker may touch them; reef_app sees a person's name through its own view of members.
create table users (
  id uuid primary key,
  email text not null unique check (email = lower(email)),
  email_verified boolean not null default false,
  name text not null,
  image text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table user_credentials (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  account_id text not null,
  provider_id text not null,
  password text,
  access_token text,
  refresh_token text,
  id_token text,
  access_token_expires_at timestamptz,
  refresh_token_expires_at timestamptz,
  scope text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (provider_id, account_id)
);
create index on user_credentials (user_id);

create table user_verifications (
  id uuid primary key,
  identifier text not null,
  value text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on user_verifications (identifier);

-- One row per log-in on one device: the family of the refresh tokens that follow from it. Revoking it ends them all and
-- every access token made from them. It is also the row that concurrent refreshes lock, so that only one of them wins.
create table token_families (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoke_reason text check (revoke_reason in ('log_out', 'reuse')),
  check ((revoked_at is null) = (revoke_reason is null))
);
create index on token_families (user_id);

-- A refresh token is used once. Using one again revokes its whole family: either the owner or a thief holds a copy.
create table refresh_tokens (
  id uuid primary key,
  family_id uuid not null references token_families on delete cascade,
  user_id uuid not null references users on delete cascade,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index on refresh_tokens (family_id);
create index on refresh_tokens (user_id);

-- Counters of attempts, shared by all control planes; laid out as rate-limiter-flexible expects it.
create table rate_limits (
  key varchar(255) primary key,
  points integer not null default 0,
  expire bigint
);
create index on rate_limits (expire);

create table organizations (
  id uuid primary key,
  name text not null check (length(name) between 1 and 100),
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  personal_user_id uuid unique references users on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table members (
  organization_id uuid not null references organizations on delete cascade,
  user_id uuid not null references users on delete cascade,
  role text not null check (role in ('owner', 'admin', 'member')),
  name text not null,
  email text not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, user_id)
);
create index on members (user_id);

create table invitations (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  email text not null check (email = lower(email)),
  role text not null check (role in ('owner', 'admin', 'member')),
  token_hash bytea not null unique,
  invited_by uuid not null references users on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz
);
create unique index one_open_invitation_per_address on invitations (organization_id, email)
  where accepted_at is null and revoked_at is null;

create table api_keys (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  user_id uuid not null references users on delete cascade,
  name text not null check (length(name) between 1 and 100),
  key_hash bytea not null unique,
  key_hint text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index on api_keys (organization_id);

alter table organizations enable row level security;
alter table organizations force row level security;
alter table members enable row level security;
alter table members force row level security;
alter table invitations enable row level security;
alter table invitations force row level security;
alter table api_keys enable row level security;
alter table api_keys force row level security;
alter table token_families enable row level security;
alter table token_families force row level security;
alter table refresh_tokens enable row level security;
alter table refresh_tokens force row level security;

create policy everything on organizations to reef_worker using (true) with check (true);
create policy everything on members to reef_worker using (true) with check (true);
create policy everything on invitations to reef_worker using (true) with check (true);
create policy everything on api_keys to reef_worker using (true) with check (true);
create policy everything on token_families to reef_worker using (true) with check (true);
create policy everything on refresh_tokens to reef_worker using (true) with check (true);

create policy own_tenant on members to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_memberships on members for select to reef_app using (user_id = reef_user_id());
create policy own_tenant on organizations to reef_app
  using (id = reef_organization_id()) with check (id = reef_organization_id());
create policy own_memberships on organizations for select to reef_app
  using (id in (select organization_id from members where user_id = reef_user_id()));
create policy own_tenant on invitations to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_tenant on api_keys to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());
create policy own_log_ins on token_families for select to reef_app using (user_id = reef_user_id());

grant select, insert, update, delete on organizations, members, invitations, api_keys to reef_app, reef_worker;
grant select on token_families to reef_app;
grant select, insert, update, delete on token_families, refresh_tokens, rate_limits to reef_worker;
grant select, insert, update, delete on users, user_credentials, user_verifications to reef_worker;
