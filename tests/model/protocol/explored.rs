//! The protocol in the terms of the explorer.

use stateright::{Model, Property};

use super::authorization_server::AuthorizationServer;
use super::instance::Instance;
use super::properties::{self, Seen};
use super::store::Store;
use super::{Io, Left, MOST, Protocol, Step, Wire, World};

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            store: Store::new(),
            server: AuthorizationServer::new(),
            instances: [Instance::default(); MOST],
            left: Left { calls: self.calls, faults: self.faults, end: true, last_call: true },
            seen: Seen::default(),
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let spare = |most: usize| if world.left.faults == 0 { 1 } else { most };
        for i in 0..self.instances {
            steps.extend([Step::BeginRefresh(i), Step::GiveUp(i), Step::KeepLease(i)]);
            steps.extend([Step::Logout(i), Step::Begin(i), Step::Answer(i), Step::Crash(i)]);
            steps.extend([Step::Forget(i, 0), Step::Forget(i, 1)]);
            for io in Io::READ.into_iter().take(spare(2)) {
                steps.extend([Step::AccessToken(i, io), Step::Reread(i, io), Step::Load(i, io)]);
                steps.push(Step::Believe(i, io));
            }
            for io in Io::SOON.into_iter().take(spare(3)) {
                steps.extend([Step::Lease(i, io), Step::Release(i, io)]);
            }
            for io in Io::ALL.into_iter().take(spare(4)) {
                steps.extend([Step::WriteBack(i, io), Step::Keep(i, 0, io), Step::Keep(i, 1, io)]);
                steps.extend([Step::End(i, io), Step::Take(i, io)]);
            }
            steps.extend(Wire::ALL.into_iter().take(spare(5)).map(|wire| Step::Ask(i, wire)));
        }
        steps.extend([Step::LeaseRunsOut, Step::LeaseIsLost, Step::CoolDownEnds]);
        steps.extend([Step::LateReplace, Step::LateTake, Step::LateRequest]);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        world.after(self, step).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
