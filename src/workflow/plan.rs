//! The order in which tasks run: what others depend on first, otherwise as declared.

use crate::workflow::{InvalidWorkflow, Task};

/// The tasks to run, in their order: those named in `wanted` and what they depend on, or all
/// of `listed` if none is named. `declared` is where dependencies are looked for.
///
/// # Errors
/// An unknown task or dependency, a cycle, a task without a command.
pub fn plan(declared: &[Task], listed: &[String], wanted: &[String]) -> Result<Vec<Task>, InvalidWorkflow> {
    let names: Vec<&str> = declared.iter().map(|task| task.name.as_str()).collect();
    for name in wanted {
        if !names.contains(&name.as_str()) {
            return Err(InvalidWorkflow::UnknownTask { name: name.clone(), known: known(name, &names) });
        }
    }
    let roots = if wanted.is_empty() { listed } else { wanted };
    // Roots in the order of their declaration, however they were named.
    let mut walk = Walk { declared, names: &names, done: Vec::new(), path: Vec::new() };
    for task in declared.iter().filter(|task| roots.contains(&task.name)) {
        walk.visit(task)?;
    }
    Ok(walk.done)
}

struct Walk<'a> {
    declared: &'a [Task],
    names: &'a [&'a str],
    done: Vec<Task>,
    path: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, task: &'a Task) -> Result<(), InvalidWorkflow> {
        if self.done.iter().any(|done| done.name == task.name) {
            return Ok(());
        }
        if let Some(start) = self.path.iter().position(|name| *name == task.name) {
            let mut cycle: Vec<&str> = self.path[start..].to_vec();
            cycle.push(&task.name);
            return Err(InvalidWorkflow::Cycle { place: task.place.clone(), path: cycle.join(" -> ") });
        }
        if task.command.is_none() {
            return Err(InvalidWorkflow::NoCommand { place: task.place.clone(), task: task.name.clone() });
        }
        self.path.push(&task.name);
        for name in &task.depends_on {
            let Some(dependency) = self.declared.iter().find(|other| other.name == *name) else {
                return Err(InvalidWorkflow::UnknownDependency {
                    place: task.place.clone(),
                    task: task.name.clone(),
                    dependency: name.clone(),
                    known: known(name, self.names),
                });
            };
            self.visit(dependency)?;
        }
        self.path.pop();
        self.done.push(task.clone());
        Ok(())
    }
}

/// What may have been meant by `name`, as the end of a sentence; or what there is.
pub(super) fn known(name: &str, names: &[&str]) -> String {
    let nearest = names.iter().map(|other| (strsim::damerau_levenshtein(name, other), other)).min();
    match nearest {
        Some((distance, other)) if distance <= 1 + name.chars().count() / 4 => {
            format!("did you mean {other}?")
        }
        Some(_) if names.len() <= 20 => format!("there are {}", names.join(", ")),
        _ => format!("there are {} others", names.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(edges: &[(&str, &[&str])]) -> Vec<Task> {
        let lua = mlua::Lua::new();
        let command = lua.create_function(|_, ()| Ok(())).unwrap();
        let task = |(name, depends_on): &(&str, &[&str])| Task {
            name: name.to_string(),
            command: Some(command.clone()),
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
            ..Task::default()
        };
        edges.iter().map(task).collect()
    }

    fn order(edges: &[(&str, &[&str])], wanted: &[&str]) -> Result<Vec<String>, InvalidWorkflow> {
        let tasks = tasks(edges);
        let listed: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Ok(plan(&tasks, &listed, &wanted)?.into_iter().map(|task| task.name).collect())
    }

    #[test]
    fn dependencies_come_first_and_the_rest_as_declared() {
        let edges: [(&str, &[&str]); 4] = [("d", &["b"]), ("c", &[]), ("b", &["a"]), ("a", &[])];
        assert_eq!(order(&edges, &[]).unwrap(), ["a", "b", "d", "c"]);
        assert_eq!(order(&edges, &["b"]).unwrap(), ["a", "b"]);
        assert_eq!(order(&edges, &["c", "b"]).unwrap(), ["c", "a", "b"]);
    }

    #[test]
    fn a_cycle_is_named() {
        let edges: [(&str, &[&str]); 4] = [("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])];
        let error = order(&edges, &[]).unwrap_err().to_string();
        assert!(error.contains("a -> b -> c -> a"), "{error}");
        let selfish: [(&str, &[&str]); 1] = [("a", &["a"])];
        assert!(order(&selfish, &[]).unwrap_err().to_string().contains("a -> a"));
    }

    #[test]
    fn what_is_unknown_gets_a_suggestion() {
        let edges: [(&str, &[&str]); 2] = [("build", &[]), ("ship", &["biuld"])];
        let error = order(&edges, &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean build?"), "{error}");
        let error = order(&edges[..1], &["deploy"]).unwrap_err().to_string();
        assert!(error.contains("there are build"), "{error}");
    }
}
