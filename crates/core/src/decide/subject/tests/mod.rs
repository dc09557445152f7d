mod challenges;
mod codes;
mod devices;
mod factors;
mod people;
mod restores;
mod waking;
mod world;
