-- Tickets that carry a person from the dashboard to an instance's own address, which shares no cookie with it.

create table visit_tickets (
  -- SHA-256; the ticket itself is only in the URL that the person was given.
  ticket_hash bytea primary key,
  organization_id uuid not null references organizations on delete cascade,
  instance_id uuid not null references instances on delete cascade,
  user_id uuid not null references users on delete cascade,
  email text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index on visit_tickets (expires_at);

alter table visit_tickets enable row level security;
alter table visit_tickets force row level security;

create policy everything on visit_tickets to reef_worker using (true) with check (true);
create policy own_tenant on visit_tickets to reef_app
  using (organization_id = reef_organization_id()) with check (organization_id = reef_organization_id());

grant select, insert, update, delete on visit_tickets to reef_worker;
grant select, insert, delete on visit_tickets to reef_app;
