package resource

import (
	"net/url"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// Lengths of IAM's names.
const (
	roleNameLength    = 64
	policyNameLength  = 128
	policyVersionsMax = 5
)

// iamCapability is what the owner of a template with such resources acknowledges.
const iamCapability = "CAPABILITY_IAM"

func identities() []*definition {
	all := []*definition{
		role(),
		user(),
		group(),
		managedPolicy(),
		accessKey(),
		{name: "AWS::IAM::Policy", apply: policyOfOwners, reread: ofOwners([]string{"Roles", "Users", "Groups"}, "PolicyDocument", ownersPolicy), handled: []string{"PolicyName", "PolicyDocument", "Roles", "Users", "Groups"}, attributes: own("Id")},
		{name: "AWS::IAM::InstanceProfile", create: "CreateInstanceProfile", remove: "DeleteInstanceProfile", read: "GetInstanceProfile", unwrap: "InstanceProfile",
			naming: naming{property: "InstanceProfileName", rule: stack.NameRule{MaxLength: policyNameLength}}, identity: physicalAs("InstanceProfileName"), attributes: pick("Arn", "Arn"),
			steps: []step{{property: "Roles", undone: true, apply: rolesOfProfile}}, forms: map[string]form{"Roles": {from: func(v any) any {
				return value.Each(v, func(role any) any { return value.At(role, "RoleName") })
			}}}},
		{name: "AWS::IAM::UserToGroupAddition", handled: []string{"GroupName", "Users"}, attributes: own("Id"), reread: liveMembers, apply: func(c *call, was, want values) error {
			kept := []string{}
			if value.Text(was["GroupName"]) == value.Text(want["GroupName"]) {
				kept = value.Texts(want["Users"])
			}
			err := eachGone(value.Texts(was["Users"]), kept, func(user string) error {
				return c.run("RemoveUserFromGroup", values{"GroupName": was["GroupName"], "UserName": user})
			})
			for _, user := range value.Texts(want["Users"]) {
				if err == nil {
					err = c.run("AddUserToGroup", values{"GroupName": want["GroupName"], "UserName": user})
				}
			}
			return err
		}},
	}
	for _, owner := range owners {
		all = append(all, inlinePolicy(owner))
	}
	for _, d := range all {
		d.service, d.capability = "iam", iamCapability
	}
	return all
}

// rolesOfProfile gives a profile its role: it has one at most.
func rolesOfProfile(c *call, _, want any) error {
	out, err := c.do("GetInstanceProfile", values{"InstanceProfileName": c.physical})
	if err != nil {
		return err
	}
	have := []string{}
	for _, role := range value.List(value.At(out, "InstanceProfile", "Roles")) {
		have = append(have, value.Text(value.At(role, "RoleName")))
	}
	change := func(operation string) func(string) error {
		return func(role string) error {
			return c.run(operation, values{"InstanceProfileName": c.physical, "RoleName": role})
		}
	}
	if err := eachGone(have, value.Texts(want), change("RemoveRoleFromInstanceProfile")); err != nil {
		return err
	}
	for _, role := range value.Texts(want) {
		if slices.Contains(have, role) {
			continue
		}
		if err := change("AddRoleToInstanceProfile")(role); err != nil {
			return err
		}
	}
	return nil
}

// owners are the kinds of what has policies.
var owners = []string{"Role", "User", "Group"}

func inlinePolicy(owner string) *definition {
	name := owner + "Name"
	return &definition{name: "AWS::IAM::" + owner + "Policy", create: "Put" + owner + "Policy", update: "Put" + owner + "Policy", remove: "Delete" + owner + "Policy", checked: true,
		identity: func(c *call) values { return values{name: c.text(name), "PolicyName": c.text("PolicyName")} },
		physical: func(c *call, _ values) string { return c.text("PolicyName") + "|" + c.text(name) },
		naming:   naming{property: "PolicyName", fixed: true},
		live: func(c *call) (values, error) {
			return decoded(c.do("Get"+owner+"Policy", c.identity()))
		}}
}

// decoded has the documents of an answer as they were given: IAM's answers have them URL-encoded.
func decoded(out values, err error) (values, error) {
	for name, given := range out {
		if s, ok := given.(string); ok && strings.HasSuffix(name, "Document") {
			if document, err := url.PathUnescape(s); err == nil {
				out[name] = document
			}
		}
	}
	return out, err
}

// liveOwner is a role, a user or a group.
func liveOwner(owner string) func(c *call) (values, error) {
	return func(c *call) (values, error) {
		out, err := c.do("Get"+owner, values{owner + "Name": c.physical})
		if err != nil {
			return nil, err
		}
		live, _ := out[owner].(values)
		if boundary := value.At(live, "PermissionsBoundary", "PermissionsBoundaryArn"); boundary != nil {
			live["PermissionsBoundary"] = boundary
		}
		return decoded(live, nil)
	}
}

// inlinePolicies is the step of the policies that are written in their owner.
func inlinePolicies(owner string) step {
	name := owner + "Name"
	return step{property: "Policies", undone: true,
		apply: func(c *call, was, want any) error {
			wanted := []string{}
			for _, policy := range value.List(want) {
				wanted = append(wanted, value.Text(value.At(policy, "PolicyName")))
				if err := c.run("Put"+owner+"Policy", values{name: c.physical, "PolicyName": value.At(policy, "PolicyName"), "PolicyDocument": value.Document(value.At(policy, "PolicyDocument"))}); err != nil {
					return err
				}
			}
			for _, policy := range value.List(was) {
				gone := value.Text(value.At(policy, "PolicyName"))
				if slices.Contains(wanted, gone) {
					continue
				}
				if err := ignoreAbsent(c.run("Delete"+owner+"Policy", values{name: c.physical, "PolicyName": gone})); err != nil {
					return err
				}
			}
			return nil
		},
		live: func(c *call) (any, error) {
			out, err := c.do("List"+owner+"Policies", values{name: c.physical})
			policies := []any{}
			for _, policy := range value.List(out["PolicyNames"]) {
				found, err := decoded(c.do("Get"+owner+"Policy", values{name: c.physical, "PolicyName": policy}))
				if err != nil {
					return nil, err
				}
				policies = append(policies, values{"PolicyName": policy, "PolicyDocument": value.Parsed(value.Text(found["PolicyDocument"]))})
			}
			return policies, err
		}}
}

// managedPolicies is the step of the policies that are attached to their owner.
func managedPolicies(owner string) step {
	name := owner + "Name"
	s := members("ManagedPolicyArns", "Attach"+owner+"Policy", "Detach"+owner+"Policy", name, "PolicyArn")
	s.live = func(c *call) (any, error) {
		out, err := c.do("ListAttached"+owner+"Policies", values{name: c.physical})
		arns := []any{}
		for _, policy := range value.List(out["AttachedPolicies"]) {
			arns = append(arns, value.At(policy, "PolicyArn"))
		}
		return arns, err
	}
	return s
}

// members is a step of a property that lists what is added to the resource one by one.
func members(property, add, remove, resource, element string) step {
	return step{property: property, undone: true, apply: func(c *call, was, want any) error {
		err := eachGone(value.Texts(was), value.Texts(want), func(gone string) error { return c.run(remove, values{resource: c.physical, element: gone}) })
		for _, added := range value.Texts(want) {
			if err == nil {
				err = c.run(add, values{resource: c.physical, element: added})
			}
		}
		return err
	}}
}

func boundary(owner string) step {
	return put("PermissionsBoundary", "Put"+owner+"PermissionsBoundary", "PermissionsBoundary", "Delete"+owner+"PermissionsBoundary")
}

// tagsOf are the tags of a role or a user.
func tagsOf(owner string) *tagging {
	return &tagging{tag: "Tag" + owner, untag: "Untag" + owner, list: "List" + owner + "Tags", resource: owner + "Name", keys: "TagKeys", of: func(c *call) any { return c.physical }}
}

func role() *definition {
	return &definition{name: "AWS::IAM::Role", ours: []string{"GetRole"}, create: "CreateRole", remove: "DeleteRole", naming: naming{property: "RoleName", rule: stack.NameRule{MaxLength: roleNameLength}},
		identity: physicalAs("RoleName"), live: liveOwner("Role"), tags: tagsOf("Role"), attributes: pick("Arn", "Arn", "RoleId", "RoleId"),
		steps: []step{boundary("Role"), inlinePolicies("Role"), managedPolicies("Role")},
		change: func(c *call, was values) error {
			if trust := c.properties["AssumeRolePolicyDocument"]; c.r.Again || !value.Equal(was["AssumeRolePolicyDocument"], trust) {
				if err := c.run("UpdateAssumeRolePolicy", values{"RoleName": c.physical, "PolicyDocument": value.Document(trust)}); err != nil {
					return err
				}
			}
			in := values{"RoleName": c.physical, "Description": c.text("Description"), "MaxSessionDuration": 3600}
			if longest := c.properties["MaxSessionDuration"]; longest != nil {
				in["MaxSessionDuration"] = longest
			}
			return c.run("UpdateRole", in)
		}}
}

func user() *definition {
	return &definition{name: "AWS::IAM::User", create: "CreateUser", remove: "DeleteUser", naming: naming{property: "UserName", rule: stack.NameRule{MaxLength: roleNameLength}},
		identity: physicalAs("UserName"), live: liveOwner("User"), tags: tagsOf("User"), attributes: pick("Arn", "Arn"), change: movePath("User"),
		steps: []step{boundary("User"), inlinePolicies("User"), managedPolicies("User"), {property: "Groups", undone: true,
			apply: func(c *call, was, want any) error {
				err := eachGone(value.Texts(was), value.Texts(want), func(gone string) error {
					return c.run("RemoveUserFromGroup", values{"GroupName": gone, "UserName": c.physical})
				})
				for _, group := range value.Texts(want) {
					if err == nil {
						err = c.run("AddUserToGroup", values{"GroupName": group, "UserName": c.physical})
					}
				}
				return err
			},
			live: func(c *call) (any, error) {
				out, err := c.do("ListGroupsForUser", values{"UserName": c.physical})
				names := []any{}
				for _, group := range value.List(out["Groups"]) {
					names = append(names, value.At(group, "GroupName"))
				}
				return names, err
			}}},
		refused: map[string]string{"LoginProfile": "there is no console to log in to"}}
}

func group() *definition {
	return &definition{name: "AWS::IAM::Group", create: "CreateGroup", remove: "DeleteGroup", naming: naming{property: "GroupName", rule: stack.NameRule{MaxLength: policyNameLength}},
		identity: physicalAs("GroupName"), live: liveOwner("Group"), attributes: pick("Arn", "Arn"), change: movePath("Group"),
		steps: []step{inlinePolicies("Group"), managedPolicies("Group")}}
}

// movePath changes the path of a user or a group.
func movePath(owner string) func(c *call, was values) error {
	return func(c *call, was values) error {
		if value.Equal(was["Path"], c.properties["Path"]) {
			return nil
		}
		path := c.text("Path")
		if path == "" {
			path = "/"
		}
		return c.run("Update"+owner, values{owner + "Name": c.physical, "NewPath": path})
	}
}

// policyOfOwners is the apply of AWS::IAM::Policy: one policy in each of its owners.
func policyOfOwners(c *call, was, want values) error {
	type place struct{ kind, owner, policy string }
	places := func(properties values) (all []place) {
		for _, kind := range owners {
			for _, owner := range value.Texts(properties[kind+"s"]) {
				all = append(all, place{kind, owner, value.Text(properties["PolicyName"])})
			}
		}
		return all
	}
	wanted := places(want)
	for _, p := range wanted {
		if err := c.run("Put"+p.kind+"Policy", values{p.kind + "Name": p.owner, "PolicyName": p.policy, "PolicyDocument": value.Document(want["PolicyDocument"])}); err != nil {
			return err
		}
	}
	for _, p := range places(was) {
		if slices.Contains(wanted, p) {
			continue
		}
		if err := ignoreAbsent(c.run("Delete"+p.kind+"Policy", values{p.kind + "Name": p.owner, "PolicyName": p.policy})); err != nil {
			return err
		}
	}
	return nil
}

func managedPolicy() *definition {
	d := &definition{name: "AWS::IAM::ManagedPolicy", ours: []string{"GetPolicy", "GetPolicyVersion"}, create: "CreatePolicy", remove: "DeletePolicy", members: values{"ManagedPolicyName": "PolicyName"},
		naming: naming{property: "ManagedPolicyName", rule: stack.NameRule{MaxLength: policyNameLength}}, identity: physicalAs("PolicyArn"), physical: member("Policy", "Arn"),
		change: func(c *call, was values) error {
			if !c.r.Again && value.Equal(was["PolicyDocument"], c.properties["PolicyDocument"]) {
				return nil
			}
			if err := dropVersions(c, policyVersionsMax-1); err != nil {
				return err
			}
			return c.run("CreatePolicyVersion", values{"PolicyArn": c.physical, "PolicyDocument": value.Document(c.properties["PolicyDocument"]), "SetAsDefault": true})
		},
		drop: func(c *call) error {
			if err := dropVersions(c, 1); err != nil {
				return err
			}
			return c.run("DeletePolicy", values{"PolicyArn": c.physical})
		},
		live: livePolicy,
		attributes: pick("PolicyArn", "Arn", "AttachmentCount", "AttachmentCount", "CreateDate", "CreateDate", "DefaultVersionId", "DefaultVersionId", "IsAttachable", "IsAttachable",
			"PermissionsBoundaryUsageCount", "PermissionsBoundaryUsageCount", "PolicyId", "PolicyId", "UpdateDate", "UpdateDate")}
	for _, owner := range owners {
		d.steps = append(d.steps, step{property: owner + "s", undone: true, apply: func(c *call, was, want any) error {
			err := eachGone(value.Texts(was), value.Texts(want), func(gone string) error {
				return c.run("Detach"+owner+"Policy", values{owner + "Name": gone, "PolicyArn": c.physical})
			})
			for _, name := range value.Texts(want) {
				if err == nil {
					err = c.run("Attach"+owner+"Policy", values{owner + "Name": name, "PolicyArn": c.physical})
				}
			}
			return err
		}, live: attachedTo(owner)})
	}
	return d
}

// livePolicy finds a managed policy by its ARN or, before that is known, by its name.
func livePolicy(c *call) (values, error) {
	arn := c.physical
	if !strings.HasPrefix(arn, "arn:") {
		path := c.text("Path")
		if path == "" {
			path = "/"
		}
		arn = "arn:aws:iam::" + c.r.Account + ":policy" + path + arn
	}
	out, err := c.do("GetPolicy", values{"PolicyArn": arn})
	if err != nil {
		return nil, err
	}
	live, _ := out["Policy"].(values)
	version, err := c.do("GetPolicyVersion", values{"PolicyArn": arn, "VersionId": live["DefaultVersionId"]})
	if err != nil {
		return nil, err
	}
	if text, err := url.PathUnescape(value.Text(value.At(version, "PolicyVersion", "Document"))); err == nil {
		live["PolicyDocument"] = text
	}
	live["Policy"] = values{"Arn": live["Arn"]} // as the answer of CreatePolicy has it
	return live, nil
}

// dropVersions removes the oldest versions that are not the default, until few are left.
func dropVersions(c *call, left int) error {
	out, err := c.do("ListPolicyVersions", values{"PolicyArn": c.physical})
	if err != nil {
		return err
	}
	versions := value.List(out["Versions"])
	for _, version := range slices.Backward(versions) { // the newest is first
		if len(versions) <= left || value.Text(value.At(version, "IsDefaultVersion")) == "true" {
			continue
		}
		if err := ignoreAbsent(c.run("DeletePolicyVersion", values{"PolicyArn": c.physical, "VersionId": value.At(version, "VersionId")})); err != nil {
			return err
		}
		left++
	}
	return nil
}

// accessKey is a key of a user. Its secret is told once, so a key that a crash left
// without anyone who knows its secret cannot be adopted: another takes its place.
func accessKey() *definition {
	const keyLetters = 16 // of an id after AKIA
	return &definition{name: "AWS::IAM::AccessKey", create: "CreateAccessKey", remove: "DeleteAccessKey", physical: member("AccessKey", "AccessKeyId"),
		make: func(c *call) (values, error) {
			if c.r.Again {
				gone := values{"UserName": c.text("UserName"), "AccessKeyId": "AKIA" + strings.ToUpper(tokenID(keyLetters)(c))}
				if err := ignoreAbsent(c.run("DeleteAccessKey", gone)); err != nil {
					return nil, err
				}
			}
			out, err := c.do("CreateAccessKey", values{"UserName": c.text("UserName")})
			c.secret = value.Text(value.At(out, "AccessKey", "SecretAccessKey"))
			return out, err
		},
		identity: func(c *call) values { return values{"UserName": c.text("UserName"), "AccessKeyId": c.physical} },
		steps: []step{{property: "Status", apply: func(c *call, _, want any) error {
			if want == nil {
				want = "Active"
			}
			return c.run("UpdateAccessKey", values{"UserName": c.text("UserName"), "AccessKeyId": c.physical, "Status": want})
		}}},
		live: func(c *call) (values, error) {
			out, err := c.do("ListAccessKeys", values{"UserName": c.text("UserName")})
			for _, key := range value.List(out["AccessKeyMetadata"]) {
				if value.At(key, "AccessKeyId") == c.physical {
					return key.(values), nil
				}
			}
			if err == nil {
				err = stack.ErrAbsent
			}
			return nil, err
		},
		attributes: func(c *call, _ values) values {
			secret := c.secret
			if secret == "" {
				secret = value.Text(c.r.Attributes["SecretAccessKey"])
			}
			return values{"Id": c.physical, "SecretAccessKey": secret}
		}, handled: []string{"Serial"}}
}
