package resource

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

func functions() []*definition {
	return []*definition{
		function(),
		version(),
		alias(),
		{name: "AWS::Lambda::Permission", ours: []string{"GetPolicy"}, service: "lambda", create: "AddPermission", remove: "RemovePermission", live: livePermission, attributes: own("Id"),
			naming:   naming{property: "StatementId"}, // no property: always made up
			identity: func(c *call) values { return values{"FunctionName": c.text("FunctionName"), "StatementId": c.physical} }},
		{name: "AWS::Lambda::EventInvokeConfig", service: "lambda", create: "PutFunctionEventInvokeConfig", update: "UpdateFunctionEventInvokeConfig",
			remove: "DeleteFunctionEventInvokeConfig", read: "GetFunctionEventInvokeConfig",
			identity: func(c *call) values {
				return values{"FunctionName": c.text("FunctionName"), "Qualifier": c.text("Qualifier")}
			},
			physical: func(c *call, _ values) string { return c.text("FunctionName") + "|" + c.text("Qualifier") },
			// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
			resets: values{"MaximumEventAgeInSeconds": 21600, "MaximumRetryAttempts": 2, "DestinationConfig": values{"OnSuccess": values{}, "OnFailure": values{}}}},
		layerVersion(),
		{name: "AWS::Lambda::LayerVersionPermission", ours: []string{"GetLayerVersionPolicy"}, service: "lambda", create: "AddLayerVersionPermission", remove: "RemoveLayerVersionPermission", attributes: own("Id"),
			make: func(c *call) (values, error) {
				in := c.k.input(c, c.k.create, nil)
				maps.Copy(in, layerOf(c.text("LayerVersionArn")))
				in["StatementId"] = c.r.Name
				return c.do(c.k.create, in)
			},
			live: func(c *call) (values, error) {
				return c.do("GetLayerVersionPolicy", layerOf(c.text("LayerVersionArn")))
			},
			reread:   layerPermission,
			physical: func(c *call, _ values) string { return c.text("LayerVersionArn") + "#" + c.r.Name },
			identity: func(c *call) values {
				arn, statement, _ := strings.Cut(c.physical, "#")
				in := layerOf(arn)
				in["StatementId"] = statement
				return in
			}, handled: []string{"LayerVersionArn"}},
		{name: "AWS::Lambda::Url", ours: []string{"GetFunctionUrlConfig"}, service: "lambda", create: "CreateFunctionUrlConfig", update: "UpdateFunctionUrlConfig", remove: "DeleteFunctionUrlConfig", read: "GetFunctionUrlConfig",
			members: values{"TargetFunctionArn": "FunctionName"}, resets: values{"Cors": values{}, "InvokeMode": "BUFFERED"}, physical: member("FunctionArn"),
			identity: func(c *call) values {
				in := values{"FunctionName": c.text("TargetFunctionArn")}
				if q := c.text("Qualifier"); q != "" {
					in["Qualifier"] = q
				}
				return in
			},
			attributes: pick("FunctionArn", "FunctionArn", "FunctionUrl", "FunctionUrl")},
		{name: "AWS::Lambda::CodeSigningConfig", notYet: "this platform does not verify signatures of packages"},
	}
}

const functionNameLength = 64

func function() *definition {
	return &definition{name: "AWS::Lambda::Function", ours: []string{"GetFunctionConfiguration"}, service: "lambda", create: "CreateFunction", update: "UpdateFunctionConfiguration", remove: "DeleteFunction",
		naming: naming{property: "FunctionName", rule: stack.NameRule{MaxLength: functionNameLength}}, identity: physicalAs("FunctionName"),
		make: func(c *call) (values, error) {
			in := dressed(c, c.k.input(c, c.k.create, nil))
			in["Code"] = packaged(c)
			return c.do(c.k.create, in)
		},
		change: changeFunction, live: liveFunction, settled: functionSettled,
		// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
		resets: values{"Description": "", "Timeout": 3, "MemorySize": 128, "Environment": values{"Variables": values{}}, "Layers": []any{}, "DeadLetterConfig": values{"TargetArn": ""},
			"TracingConfig": values{"Mode": "PassThrough"}, "EphemeralStorage": values{"Size": 512}, "LoggingConfig": values{"LogFormat": "Text"}, "SnapStart": values{"ApplyOn": "None"}},
		steps: []step{
			put("ReservedConcurrentExecutions", "PutFunctionConcurrency", "ReservedConcurrentExecutions", "DeleteFunctionConcurrency"),
			{property: "RecursiveLoop", apply: func(c *call, _, want any) error {
				if want == nil {
					want = "Terminate"
				}
				return c.run("PutFunctionRecursionConfig", values{"FunctionName": c.physical, "RecursiveLoop": want})
			}, live: func(c *call) (any, error) {
				out, err := c.do("GetFunctionRecursionConfig", c.identity())
				return out["RecursiveLoop"], err
			}},
			{property: "RuntimeManagementConfig", apply: func(c *call, _, want any) error {
				in := values{"FunctionName": c.physical, "UpdateRuntimeOn": "Auto"}
				if set, ok := want.(values); ok {
					maps.Copy(in, set)
				}
				return c.run("PutRuntimeManagementConfig", in)
			}, live: func(c *call) (any, error) {
				out, err := c.do("GetRuntimeManagementConfig", c.identity())
				return any(out), err
			}},
		},
		tags: &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTags", resource: "Resource", keys: "TagKeys",
			of: func(c *call) any { return c.arn("lambda", "function:"+c.physical) }},
		attributes: func(c *call, live values) values {
			snapshots, _ := live["SnapStart"].(values)
			if snapshots == nil {
				snapshots = values{"ApplyOn": "None", "OptimizationStatus": "Off"}
			}
			return values{"Arn": live["FunctionArn"], "SnapStartResponse": snapshots, "SnapStartResponse.ApplyOn": snapshots["ApplyOn"],
				"SnapStartResponse.OptimizationStatus": snapshots["OptimizationStatus"]}
		},
		handled: []string{"Code", "Architectures"}, unread: []string{"Code"},
		inert: map[string]string{"TracingConfig": "the trace header is handed on; nothing records traces",
			"RuntimeManagementConfig": "kept and shown; the host decides which build of a runtime there is"},
		refused: map[string]string{
			"VpcConfig": "there are no VPCs", "KmsKeyArn": noKeys, "FileSystemConfigs": "there are no file systems to mount", "ImageConfig": "functions are zip archives",
			"CodeSigningConfigArn": "this platform does not verify signatures of packages", "TenancyConfig": noWay, "CapacityProviderConfig": noWay, "DurableConfig": noWay,
			"FunctionScalingConfig": noWay, "PublishToLatestPublished": noWay,
		}}
}

// changeFunction changes the code first, as AWS does; of two changes the second
// has to wait for the first.
func changeFunction(c *call, was values) error {
	if err := wait(c, functionIdle); err != nil {
		return err
	}
	if c.r.Again || !value.Equal(was["Code"], c.properties["Code"]) || !value.Equal(was["Architectures"], c.properties["Architectures"]) {
		in := packaged(c)
		in["FunctionName"] = c.physical
		if wanted := architectures(c); wanted != nil {
			in["Architectures"] = wanted
		}
		if err := c.run("UpdateFunctionCode", in); err != nil {
			return err
		}
		if err := wait(c, functionSettled); err != nil {
			return err
		}
	}
	if !c.r.Again && !c.k.touches(c.k.update, was, c.properties) {
		return nil
	}
	in := dressed(c, c.k.input(c, c.k.update, was))
	in["FunctionName"] = c.physical
	return c.run(c.k.update, in)
}

// liveFunction has the function's configuration by the names of the template.
func liveFunction(c *call) (values, error) {
	out, err := c.do("GetFunction", values{"FunctionName": c.physical})
	if err != nil {
		return nil, err
	}
	live, _ := out["Configuration"].(values)
	if layers := value.List(live["Layers"]); layers != nil {
		arns := []any{}
		for _, layer := range layers {
			arns = append(arns, value.At(layer, "Arn"))
		}
		live["Layers"] = arns
	}
	if runsAnywhere(c) {
		live["Architectures"] = c.properties["Architectures"]
	}
	if standIn(c) != "" {
		live["Runtime"], live["Handler"] = c.properties["Runtime"], c.properties["Handler"]
	}
	if reserved := value.At(out, "Concurrency", "ReservedConcurrentExecutions"); reserved != nil {
		live["ReservedConcurrentExecutions"] = reserved
	}
	return live, nil
}

// functionIdle tells whether a change can begin.
func functionIdle(c *call) (bool, error) {
	live, err := c.do("GetFunctionConfiguration", values{"FunctionName": c.physical})
	return err == nil && value.Text(live["State"]) != "Pending" && value.Text(live["LastUpdateStatus"]) != "InProgress", err
}

// functionSettled tells whether the function is as it was made or changed last.
func functionSettled(c *call) (bool, error) {
	live, err := c.do("GetFunctionConfiguration", values{"FunctionName": c.physical})
	switch {
	case err != nil:
		return false, err
	case value.Text(live["State"]) == "Failed":
		return false, failed("%s", value.Text(live["StateReason"]))
	case value.Text(live["LastUpdateStatus"]) == "Failed":
		return false, failed("%s", value.Text(live["LastUpdateStatusReason"]))
	}
	return value.Text(live["State"]) != "Pending" && value.Text(live["LastUpdateStatus"]) != "InProgress", nil
}

// provisioned is the step of versions and aliases for concurrency that is held ready.
func provisioned() step {
	return step{property: "ProvisionedConcurrencyConfig", undone: true, apply: func(c *call, _, want any) error {
		in := qualified(c.physical)
		if want == nil {
			return ignoreAbsent(c.run("DeleteProvisionedConcurrencyConfig", in))
		}
		in["ProvisionedConcurrentExecutions"] = value.At(want, "ProvisionedConcurrentExecutions")
		if err := c.run("PutProvisionedConcurrencyConfig", in); err != nil {
			return err
		}
		return wait(c, func(c *call) (bool, error) {
			out, err := c.do("GetProvisionedConcurrencyConfig", qualified(c.physical))
			if err == nil && value.Text(out["Status"]) == "FAILED" {
				err = failed("%s", value.Text(out["StatusReason"]))
			}
			return err == nil && value.Text(out["Status"]) == "READY", err
		})
	}, live: func(c *call) (any, error) {
		out, err := c.do("GetProvisionedConcurrencyConfig", qualified(c.physical))
		if err != nil {
			return nil, err
		}
		return values{"ProvisionedConcurrentExecutions": out["RequestedProvisionedConcurrentExecutions"]}, nil
	}}
}

// qualified are name and qualifier of a version's or an alias's ARN.
func qualified(arn string) values {
	i := strings.LastIndex(arn, ":")
	return values{"FunctionName": arn[:max(i, 0)], "Qualifier": arn[i+1:]}
}

func version() *definition {
	return &definition{name: "AWS::Lambda::Version", service: "lambda", create: "PublishVersion", remove: "DeleteFunction", read: "GetFunctionConfiguration",
		identity: func(c *call) values { return qualified(c.physical) }, physical: member("FunctionArn"), make: publishVersion,
		settled: func(c *call) (bool, error) {
			live, err := c.do("GetFunctionConfiguration", qualified(c.physical))
			if err == nil && value.Text(live["State"]) == "Failed" {
				err = failed("%s", value.Text(live["StateReason"]))
			}
			return err == nil && value.Text(live["State"]) != "Pending", err
		},
		steps: []step{provisioned()}, attributes: pick("FunctionArn", "FunctionArn", "Version", "Version"),
		refused: map[string]string{"RuntimePolicy": noWay, "FunctionScalingConfig": noWay}}
}

// publishVersion refuses to take a version that is there for a new one: both
// resources would remove it.
func publishVersion(c *call) (values, error) {
	before, err := c.do("ListVersionsByFunction", values{"FunctionName": c.text("FunctionName")})
	if err != nil {
		return nil, err
	}
	out, err := c.do("PublishVersion", c.k.input(c, "PublishVersion", nil))
	if err != nil || c.r.Again {
		return out, err
	}
	if slices.ContainsFunc(value.List(before["Versions"]), func(v any) bool { return value.At(v, "Version") == out["Version"] }) {
		return nil, failed("A version for this Lambda function exists ( %s ). Modify the function to create a new version.", value.Text(out["Version"]))
	}
	return out, nil
}

func alias() *definition {
	return &definition{name: "AWS::Lambda::Alias", ours: []string{"GetAlias"}, service: "lambda", create: "CreateAlias", update: "UpdateAlias", remove: "DeleteAlias", read: "GetAlias",
		identity: func(c *call) values {
			if !strings.HasPrefix(c.physical, "arn:") {
				return values{"FunctionName": c.text("FunctionName"), "Name": c.text("Name")}
			}
			q := qualified(c.physical)
			return values{"FunctionName": q["FunctionName"], "Name": q["Qualifier"]}
		},
		naming: naming{property: "Name", fixed: true}, physical: member("AliasArn"), steps: []step{provisioned()}, attributes: pick("AliasArn", "AliasArn"),
		resets: values{"Description": "", "RoutingConfig": values{"AdditionalVersionWeights": values{}}},
		forms: map[string]form{"RoutingConfig": {
			to: func(v any) any {
				weights := values{}
				for _, w := range value.List(value.At(v, "AdditionalVersionWeights")) {
					weights[value.Text(value.At(w, "FunctionVersion"))] = value.At(w, "FunctionWeight")
				}
				return values{"AdditionalVersionWeights": weights}
			},
			from: func(v any) any {
				weights := []any{}
				m, _ := value.At(v, "AdditionalVersionWeights").(values)
				for _, version := range slices.Sorted(maps.Keys(m)) {
					weights = append(weights, values{"FunctionVersion": version, "FunctionWeight": m[version]})
				}
				return values{"AdditionalVersionWeights": weights}
			}}}}
}

// livePermission is a statement of the function's policy, as a template has it.
func livePermission(c *call) (values, error) {
	out, err := c.do("GetPolicy", values{"FunctionName": c.text("FunctionName")})
	if err != nil {
		return nil, err
	}
	for _, statement := range value.List(value.At(value.Parsed(value.Text(out["Policy"])), "Statement")) {
		if value.At(statement, "Sid") != c.physical {
			continue
		}
		live := values{"Action": value.At(statement, "Action"), "Principal": value.Either(value.At(statement, "Principal"), "Service", "AWS")}
		for property, condition := range map[string][]string{"SourceArn": {"ArnLike", "AWS:SourceArn"}, "SourceAccount": {"StringEquals", "AWS:SourceAccount"},
			"FunctionUrlAuthType": {"StringEquals", "lambda:FunctionUrlAuthType"}, "InvokedViaFunctionUrl": {"Bool", "lambda:InvokedViaFunctionUrl"}, "PrincipalOrgID": {"StringEquals", "aws:PrincipalOrgID"}} {
			if given := value.At(statement, append([]string{"Condition"}, condition...)...); given != nil {
				live[property] = given
			}
		}
		if value.Text(live["Principal"]) == "" {
			live["Principal"] = value.At(statement, "Principal")
		}
		return live, nil
	}
	return nil, stack.ErrAbsent
}

const layerNameLength = 140

func layerVersion() *definition {
	return &definition{name: "AWS::Lambda::LayerVersion", ours: []string{"GetLayerVersionByArn"}, service: "lambda", create: "PublishLayerVersion", remove: "DeleteLayerVersion",
		naming: naming{property: "LayerName", rule: stack.NameRule{MaxLength: layerNameLength}}, physical: member("LayerVersionArn"),
		identity: func(c *call) values { return layerOf(c.physical) },
		live: func(c *call) (values, error) {
			return c.do("GetLayerVersionByArn", values{"Arn": c.physical})
		},
		attributes: own("LayerVersionArn")}
}

// layerOf are name and number of a layer version's ARN.
func layerOf(arn string) values {
	parts := strings.Split(arn, ":")
	number := parts[len(parts)-1]
	return values{"LayerName": strings.TrimSuffix(arn, ":"+number), "VersionNumber": number}
}

func mappings() []*definition {
	refused := map[string]string{"KmsKeyArn": noKeys}
	for _, name := range []string{"MetricsConfig", "LoggingConfig", "ProvisionedPollerConfig"} {
		refused[name] = noWay
	}
	for _, name := range []string{"ParallelizationFactor", "StartingPosition", "StartingPositionTimestamp", "DestinationConfig", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError",
		"MaximumRetryAttempts", "TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
		"SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig"} {
		refused[name] = "it is for streams and brokers, which do not exist here yet"
	}
	return []*definition{{name: "AWS::Lambda::EventSourceMapping", service: "lambda", create: "CreateEventSourceMapping", update: "UpdateEventSourceMapping",
		remove: "DeleteEventSourceMapping", physical: member("UUID"), madeID: tokenUUID, identity: physicalAs("UUID"), live: liveMapping, members: values{"KmsKeyArn": "KMSKeyArn"},
		resets: values{"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FilterCriteria": values{}, "ScalingConfig": values{}, "FunctionResponseTypes": []any{}, "Enabled": true},
		settled: func(c *call) (bool, error) {
			live, err := liveMapping(c)
			state := value.Text(live["State"])
			return state == "Enabled" || state == "Disabled", err
		},
		drop: func(c *call) error {
			if err := c.run("DeleteEventSourceMapping", values{"UUID": c.physical}); err != nil {
				return err
			}
			return wait(c, func(c *call) (bool, error) {
				_, err := c.do("GetEventSourceMapping", values{"UUID": c.physical})
				return absent(err), ignoreAbsent(err)
			})
		},
		tags: &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTags", resource: "Resource", keys: "TagKeys",
			of: func(c *call) any { return c.arn("lambda", "event-source-mapping:"+c.physical) }},
		attributes: pick("Id", "UUID", "EventSourceMappingArn", "EventSourceMappingArn"), refused: refused}}
}

// liveMapping is a mapping in the words of the template.
func liveMapping(c *call) (values, error) {
	live, err := c.do("GetEventSourceMapping", values{"UUID": c.physical})
	if err != nil {
		return nil, err
	}
	live["FunctionName"] = functionAs(c.text("FunctionName"), live["FunctionArn"])
	live["Enabled"] = !strings.HasPrefix(value.Text(live["State"]), "Disabl")
	return live, nil
}
