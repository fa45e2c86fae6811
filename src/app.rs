//! The one place where parts meet.
//!
//! [`Application::build`] makes every collaborator from the settings and binds the listeners;
//! [`Application::run_until_stopped`] serves until it is told to stop, then drains.

mod door;
mod keys;
mod schema;
mod shutdown;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio::runtime::Handle;

pub use keys::{KeyError, key_line, ring as sealing_keys};
pub use shutdown::{Stop, on_signals};

use crate::anonymous::AnonymousFlow;
use crate::clock::{SharedClock, SystemClock};
use crate::login::LoginFlow;
use crate::oauth;
use crate::server::auth::anonymous::AnonymousAccess;
use crate::server::auth::login::CookieSetting;
use crate::server::{
    Admission, BodyLimits, Bounds, Calls, Capacity, CookieKeys, CookieNames, CsrfGate, Envelope, Forwarding,
    Lifecycle, Limits, Pages, Patience, Reception, TrustedProxies, VisitorCookies, admin, keep_reader,
    listen, session_middleware,
};
use crate::settings::{self, SameSite, Settings};
use crate::store::{MeasuredStore, Store, StoreError};
use crate::telemetry::{Health, Metrics};
use crate::tokens::{CacheLimits, Lifetimes, Tasks, Timing, TokenBroker, TokenVault, Watch};
use crate::upstream::{self, Forwarder, Routes};

/// What is not a setting.
#[derive(Clone)]
pub struct Surroundings {
    /// Tells the time.
    pub clock: SharedClock,
    /// Pages beside the broker's own routes.
    pub pages: Pages,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), pages: Pages::NONE }
    }
}

/// Why the application did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address is taken, or not ours.
    #[error("cannot listen on {address} ({key})")]
    Listen {
        /// The setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The sealing keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    /// The store's layout is newer than this build knows.
    #[error(transparent)]
    Schema(#[from] crate::migrate::MigrateError),
    /// The HTTP client for the authorization server cannot be made.
    #[error("the client for the authorization server cannot be made")]
    LoginServer(#[from] oauth::BuildError),
    /// The HTTP client for the API cannot be made.
    #[error("the client for the API cannot be made")]
    Api(#[from] upstream::BuildError),
    /// Serving failed.
    #[error("the server failed")]
    Server(#[source] io::Error),
}

/// A broker that is bound to its addresses.
pub struct Application {
    settings: settings::Server,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    public: Server,
    door: door::Door,
    admin: Option<Server>,
    tasks: Tasks,
    lifecycle: Lifecycle,
    schema: schema::Check,
    background: Vec<tokio::task::JoinHandle<()>>,
}

impl Application {
    /// Makes all parts and binds the listeners. Needs a multi-threaded tokio runtime, on which the
    /// store's connections and the refreshes run.
    ///
    /// # Errors
    /// [`StartError`]. A Redis that is away is none: the broker starts and is not ready.
    pub async fn build(settings: Settings, surroundings: Surroundings) -> Result<Self, StartError> {
        let Surroundings { clock, pages } = surroundings;
        let runtime = Handle::current();
        let keys = Arc::new(arc_swap::ArcSwap::from_pointee(keys::ring(&settings)?));
        let metrics = Metrics::new(keys.load().ids());
        let health = Health::default();
        let watch = Watch { metrics: metrics.clone(), health: health.clone() };
        let lifecycle = Lifecycle::default();
        let tasks = Tasks::new(runtime.clone());

        let (store, schema) = schema::open(&settings.store, clock.clone(), &runtime).await?;
        let store: Arc<dyn Store> = Arc::new(MeasuredStore::new(store, metrics.clone()));
        let public_url = settings.server.public_url.clone();
        let redirect_uri = format!("{}/auth/callback", public_url.origin());
        let server = oauth::Client::new(&settings.whisk, redirect_uri, clock.clone())?;
        let lifetimes =
            Lifetimes { idle: settings.session.idle_timeout, absolute: settings.session.absolute_timeout };
        let cache =
            CacheLimits { max_age: settings.store.cache_max_age, outage_grace: settings.store.outage_grace };
        let vault = TokenVault::new(
            Arc::clone(&store),
            Arc::clone(&keys),
            clock.clone(),
            lifetimes,
            cache,
            metrics.clone(),
        );
        let timing =
            Timing { refresh_ahead: settings.session.refresh_ahead, server_timeout: settings.whisk.timeout };
        let broker =
            TokenBroker::new(vault, server.clone(), clock.clone(), tasks.clone(), watch.clone(), timing);
        let limits = Limits::new(
            &settings.limits,
            Arc::clone(&store),
            Arc::clone(&keys),
            clock.clone(),
            metrics.clone(),
        );
        let flow = LoginFlow::new(
            Arc::clone(&store),
            Arc::clone(&keys),
            clock.clone(),
            server,
            &settings.whisk.identity_providers,
            broker.clone(),
            tasks.clone(),
            watch,
        );

        let names = CookieNames::new(public_url.secure());
        let anonymous = match settings.anonymous.enabled {
            false => None,
            true => {
                let origin = public_url.origin();
                let endpoint = oauth::AnonymousEndpoint::new(&settings, origin, clock.clone())?;
                Some(AnonymousAccess {
                    flow: AnonymousFlow::new(
                        Arc::clone(&store),
                        Arc::clone(&keys),
                        clock.clone(),
                        endpoint,
                        broker.clone(),
                        tasks.clone(),
                        metrics.clone(),
                        settings.whisk.timeout,
                    ),
                    visitors: VisitorCookies::new(names.clone(), Arc::clone(&keys), clock.clone()),
                    limits: limits.clone(),
                })
            }
        };
        let same_site = match settings.session.same_site {
            SameSite::Strict => actix_web::cookie::SameSite::Strict,
            SameSite::Lax => actix_web::cookie::SameSite::Lax,
        };
        let cookie_keys =
            CookieKeys::new(names.clone(), Arc::clone(&keys), same_site, lifetimes.cookie_max_age());
        let cookies = CookieSetting { names: names.clone(), clock, same_site };
        let gate =
            CsrfGate::new(public_url.origin().to_owned(), settings.csrf.require_header, metrics.clone());
        let proxies = TrustedProxies::new(settings.server.trusted_proxies.clone());
        let bounds = Bounds {
            patience: Patience {
                head: settings.server.head_timeout,
                keep_alive: settings.server.keep_alive_timeout,
                idle: settings.forward.idle_timeout,
            },
            capacity: Capacity::new(
                settings.server.max_connections,
                settings.server.max_connections_per_address,
                proxies.clone(),
                metrics.clone(),
            ),
        };
        let envelope = Envelope::new(public_url.clone(), proxies, lifecycle.clone(), metrics.clone());
        let routes = Arc::new(Routes::new(
            &settings.whisk.api_url,
            &settings.forward.routes,
            &settings.whisk.forbidden_query,
        ));
        let forwarders = Forwarders::new(&settings, &routes)?;
        let sessions = limits.sessions();
        let forwarding = {
            let (limits, proto) =
                (BodyLimits::from(&settings.forward), if public_url.secure() { "https" } else { "http" });
            let (host, metrics) = (public_url.authority().to_owned(), metrics.clone());
            let lifecycle = lifecycle.clone();
            move |forwarder| Forwarding {
                forwarder,
                limits,
                proto,
                host: host.clone(),
                lifecycle: lifecycle.clone(),
                sessions: sessions.clone(),
                metrics: metrics.clone(),
            }
        };

        let mut background = vec![watch_store(&tasks, store, health.clone())];
        background.push(match settings.sealing.keys_file.clone() {
            Some(file) => tasks.spawn(keys::follow(file, Arc::clone(&keys), metrics.clone())),
            None => tasks.spawn(keys::ignore_hang_ups()),
        });
        let (public_metrics, public_limits) = (metrics.clone(), limits.clone());
        let (listener, address) = door::bind("server.listen", settings.server.listen)?;
        let door = door::Door::of(&listener).map_err(StartError::Server)?;
        let max_age = lifetimes.cookie_max_age();
        let admission = Admission::new(Arc::clone(&routes), gate.clone(), settings.forward.max_body);
        let reception = Reception::new(envelope.clone());
        let grace = settings.server.shutdown_grace;
        let calls = {
            let (envelope, cookies, admission) = (envelope.clone(), cookie_keys.clone(), admission.clone());
            let (broker, limits, pages) = (broker.clone(), limits.clone(), pages.paths);
            move || {
                Rc::new(Calls {
                    envelope: envelope.clone(),
                    cookies: cookies.clone(),
                    admission: admission.clone(),
                    broker: broker.clone(),
                    limits: limits.clone(),
                    forwarding: forwarding(forwarders.take()),
                    pages,
                })
            }
        };
        let public = listen(listener, settings.server.workers, grace, bounds, reception, calls, move || {
            // Handed to each request, so that it must be cheap to hand on.
            let (envelope, cookie_keys) = (Arc::new(envelope.clone()), Arc::new(cookie_keys.clone()));
            let session = session_middleware(&names, cookie_keys.key(), same_site, max_age);
            App::new()
                .app_data(web::Data::new(broker.clone()))
                .app_data(web::Data::new(flow.clone()))
                .app_data(web::Data::new(anonymous.clone()))
                .app_data(web::Data::new(gate.clone()))
                .app_data(web::Data::new(admission.clone()))
                .app_data(web::Data::new(cookies.clone()))
                .app_data(web::Data::new(public_metrics.clone()))
                .app_data(web::Data::new(public_limits.clone()))
                .wrap(session)
                .wrap(from_fn(move |request, next| {
                    let cookie_keys = Arc::clone(&cookie_keys);
                    async move { cookie_keys.pass(request, next).await }
                }))
                .wrap(from_fn(move |request, next| {
                    let envelope = Arc::clone(&envelope);
                    async move { envelope.wrap(request, next).await }
                }))
                .wrap(from_fn(keep_reader))
                .configure(pages.configure)
                .configure(crate::routes::configure)
        })
        .map_err(StartError::Server)?;

        let (admin, admin_address) = match settings.server.admin_listen {
            None => (None, None),
            Some(address) => {
                let (listener, address) = door::bind("server.admin_listen", address)?;
                let lifecycle = lifecycle.clone();
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(web::Data::new(metrics.clone()))
                        .app_data(web::Data::new(limits.clone()))
                        .app_data(web::Data::new(health.clone()))
                        .app_data(web::Data::new(lifecycle.clone()))
                        .configure(admin::configure)
                })
                .workers(1)
                .disable_signals()
                .listen(listener)
                .map_err(StartError::Server)?
                .run();
                (Some(server), Some(address))
            }
        };
        for warning in settings.warnings() {
            tracing::warn!(target: "settings", "{warning}");
        }
        tracing::info!(
            target: "whisk_bff",
            %address,
            admin = admin_address.map(tracing::field::display),
            public_url = public_url.origin(),
            "listening"
        );
        Ok(Self {
            settings: settings.server,
            address,
            admin_address,
            public,
            door,
            admin,
            tasks,
            lifecycle,
            schema,
            background,
        })
    }

    /// Where the public listener is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin listener is bound, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }
}

/// A client for each worker, made before any is needed, so that a fault shows at start.
#[derive(Clone)]
struct Forwarders {
    spare: Arc<Mutex<Vec<Forwarder>>>,
    last: Forwarder,
}

impl Forwarders {
    fn new(settings: &Settings, routes: &Arc<Routes>) -> Result<Self, upstream::BuildError> {
        let make = || Forwarder::new(&settings.forward, Arc::clone(routes));
        let spare = (0..settings.server.workers).map(|_| make()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { spare: Arc::new(Mutex::new(spare)), last: make()? })
    }

    /// One for a worker. A worker that takes the place of one that died shares the last.
    fn take(&self) -> Forwarder {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_else(|| self.last.clone())
    }
}

/// Asks the store every second whether it is there, and says so once at each change.
fn watch_store(tasks: &Tasks, store: Arc<dyn Store>, health: Health) -> tokio::task::JoinHandle<()> {
    tasks.spawn(async move {
        loop {
            let answer = store.check().await;
            if health.store(answer.is_ok()) {
                match &answer {
                    Ok(()) => tracing::info!(target: "store", "the store answers"),
                    Err(error) => tracing::warn!(target: "store", %error, "the store is away"),
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}
